#include "integration/stripe_double.hpp"

#include "support/environment.hpp"
#include "support/loopback.hpp"
#include "support/wait.hpp"

namespace integration {
namespace {

constexpr auto refused_card = "pm_card_chargeDeclined";
constexpr std::chrono::seconds answer_limit{60};

}  // namespace

StripeDouble::StripeDouble() {
    support::eventually(std::chrono::seconds{60}, "stripe-mock to listen", [&] {
        if (!mock_ || !mock_->running()) {  // another test may have taken the port meanwhile
            mock_port_ = support::free_port();
            mock_ = std::make_unique<support::Process>(support::Process::Options{
                .argv = {support::environment("POSTROOM_STRIPE_MOCK"), "-http-addr",
                         "127.0.0.1:" + std::to_string(mock_port_), "-https-addr",
                         "127.0.0.1:" + std::to_string(support::free_port())}});
        }
        return support::accepts(mock_port_);
    });
    // Its first answer takes seconds on a busy machine, more than a client waits.
    const httplib::Headers key{{"Authorization", "Bearer sk_test_123"}};
    httplib::Client mock{"127.0.0.1", mock_port_};
    mock.set_read_timeout(answer_limit);
    if (!mock.Get("/v1/payment_intents", key))
        throw std::runtime_error{"stripe-mock does not answer: " + mock_->output()};
    server_.Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
        serve(request, response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread{[this] { server_.listen_after_bind(); }};
    server_.wait_until_ready();
}

StripeDouble::~StripeDouble() {
    {
        const std::lock_guard lock{mutex_};
        gone_ = true;
    }
    going_.notify_all();
    server_.stop();
}

void StripeDouble::hang_after(const std::string& path_end) {
    const std::lock_guard lock{mutex_};
    hang_after_ = path_end;
}

int StripeDouble::hung() const {
    const std::lock_guard lock{mutex_};
    return hung_;
}

int StripeDouble::charges(std::int64_t purchase) const {
    const std::lock_guard lock{mutex_};
    int count = 0;
    for (const auto& [id, intent] : intents_)
        count += intent.purchase == purchase && intent.status == "succeeded";
    return count;
}

std::int64_t StripeDouble::held(std::int64_t purchase) const {
    const std::lock_guard lock{mutex_};
    std::int64_t sum = 0;
    for (const auto& [id, intent] : intents_) {
        if (intent.purchase == purchase && intent.status == "succeeded")
            sum += intent.amount - intent.refunded;
    }
    return sum;
}

void StripeDouble::serve(const httplib::Request& request, httplib::Response& response) {
    auto answer = conform(request);
    std::unique_lock lock{mutex_};
    if (answer.status == 200) {
        const auto key = request.get_header_value("Idempotency-Key");
        const auto before = answered_.find(key);
        answer = before != answered_.end() ? before->second : perform(request);
        if (!key.empty()) answered_.emplace(key, answer);
    }
    if (!hang_after_.empty() && request.path.ends_with(hang_after_)) {
        hang_after_.clear();
        ++hung_;
        going_.wait(lock, [this] { return gone_; });
    }
    response.status = answer.status;
    response.set_content(answer.body.dump(), "application/json");
}

StripeDouble::Answer StripeDouble::conform(const httplib::Request& request) const {
    httplib::Client mock{"127.0.0.1", mock_port_};
    mock.set_read_timeout(answer_limit);
    const httplib::Headers headers{{"Authorization", request.get_header_value("Authorization")}};
    const auto result = mock.Post(request.path, headers, httplib::Params{request.params});
    if (!result) return {500, {}};
    return {result->status, nlohmann::json::parse(result->body, nullptr, false)};
}

StripeDouble::Answer StripeDouble::perform(const httplib::Request& request) {
    if (request.path == "/v1/payment_intents") {
        const auto id = "pi_" + std::to_string(intents_.size() + 1);
        intents_[id] = {std::stoll(request.get_param_value("metadata[purchase_id]")),
                        std::stoll(request.get_param_value("amount")), "requires_confirmation"};
        return {200, {{"id", id}, {"status", "requires_confirmation"}}};
    }
    if (request.path == "/v1/refunds") {
        auto& intent = intents_.at(request.get_param_value("payment_intent"));
        if (intent.status != "succeeded" || intent.refunded > 0)
            return {400, {{"error", {{"message", "has been refunded already"}}}}};
        intent.refunded = intent.amount;
        return {200, {{"id", "re_1"}, {"status", "succeeded"}}};
    }
    const auto from = std::string{"/v1/payment_intents/"}.size();
    const auto id = request.path.substr(from, request.path.rfind('/') - from);
    return step(intents_.at(id), id, request);
}

StripeDouble::Answer StripeDouble::step(Intent& intent, const std::string& id,
                                        const httplib::Request& request) {
    const auto what = request.path.substr(request.path.rfind('/') + 1);
    if (what == "confirm" && request.get_param_value("payment_method") == refused_card) {
        intent.status = "requires_payment_method";
        return {402, {{"error", {{"type", "card_error"}, {"message", "Your card was declined."}}}}};
    }
    if (what == "confirm") intent.status = "requires_capture";
    if (what == "capture") {
        if (intent.status != "requires_capture")
            return {400, {{"error", {{"message", "cannot be captured"}}}}};
        intent.status = "succeeded";
    }
    if (what == "cancel") intent.status = "canceled";
    return {200, {{"id", id}, {"status", intent.status}}};
}

}  // namespace integration
