#include "integration/saga_fixture.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <outbox/event.hpp>
#include <sstream>

#include "support/environment.hpp"
#include "support/wait.hpp"

namespace saga_test {
namespace {

using nlohmann::json;
using std::chrono::seconds;

struct Kind {
    const char *topic, *type;
    int step;
};
constexpr std::array kinds{Kind{"update-product-inventory", "UpdateProductInventory", 0},
                           Kind{"rollback-product-inventory", "RollbackProductInventory", 0},
                           Kind{"create-order", "CreateOrder", 1},
                           Kind{"rollback-order", "RollbackOrder", 1},
                           Kind{"create-payment", "CreatePayment", 2},
                           Kind{"rollback-payment", "RollbackPayment", 2}};

const json purchase_json = json::parse(
    R"({"order":{"customer_id":3,"order_items":[{"product_id":9007199254740993,"quantity":2,)"
    R"("price":4900,"name":"Fountain pen"}]},"payment":{"currency_code":"EUR","amount":9800}})");

support::Draft answer(std::int64_t id, const std::string& command, bool success,
                      std::map<std::string, std::string> headers) {
    headers["id"] = outbox::EventId::make().to_string();
    headers["type"] = "Reply";
    headers["handler"] = command;
    return {.key = std::to_string(id),
            .value = json{{"version", 1},
                          {"purchase_id", id},
                          {"purchase", purchase_json},
                          {"success", success},
                          {"error_message", success ? "" : "refused by the test"},
                          {"timestamp", "2026-01-01T00:00:00.000Z"}}
                         .dump(),
            .headers = std::move(headers)};
}

}  // namespace

void Participants::work() {
    std::vector<support::Draft> replies;
    for (const auto& [topic, type, step] : kinds) {
        for (const auto& record : support::read_topic(prefix_ + topic)) {
            if (!seen_[topic].emplace(record.partition, record.offset).second) continue;
            EXPECT_EQ(record.headers.at("type"), type);
            const auto command = json::parse(record.value.value());
            EXPECT_EQ(command.at("purchase"), purchase_json);
            const std::int64_t id = command.at("purchase_id");
            EXPECT_EQ(record.key, std::to_string(id));
            commands_[id].emplace_back(type);
            records_.push_back(record);
            const bool success = act(id, step, type);
            if (!deaf.contains({id, type})) {
                replies.push_back(
                    answer(id, type, success,
                           {{"traceparent", record.headers.at("traceparent")},
                            {"tracestate", record.headers.at("tracestate")},
                            {"correlation-id", record.headers.at("correlation-id")}}));
            }
        }
    }
    if (!replies.empty()) support::produce(prefix_ + "reply", replies);
}

bool Participants::act(std::int64_t purchase, int step, const std::string& type) {
    auto& part = parts_[{purchase, step}];
    if (const auto first = part.answers.find(type); first != part.answers.end())
        return first->second;
    bool success = true;
    if (type.starts_with("Rollback")) {
        part.effect = false;
        part.tombstone = true;
    } else {
        success = !part.tombstone && !refuse.contains({purchase, step});
        part.effect = success;
        done_[purchase] += success ? 1 : 0;
    }
    return part.answers[type] = success;
}

std::set<int> Participants::effects(std::int64_t purchase) const {
    std::set<int> steps;
    for (const auto& [which, part] : parts_)
        if (which.first == purchase && part.effect) steps.insert(which.second);
    return steps;
}

int Participants::times_done(std::int64_t purchase) const {
    const auto found = done_.find(purchase);
    return found == done_.end() ? 0 : found->second;
}

std::vector<std::string> Participants::commands(std::int64_t purchase) const {
    const auto found = commands_.find(purchase);
    return found == commands_.end() ? std::vector<std::string>{} : found->second;
}

SagaFixture::SagaFixture() {
    for (const auto* name : {"purchase", "reply", "purchase-result"})
        support::create_topic(topic(name), 2);
    for (const auto& kind : kinds) support::create_topic(topic(kind.topic), 1);
}

support::Process SagaFixture::relay() const {
    return support::Process{{.argv = {support::bin("postroom"), "relay"},
                             .env = {{"POSTROOM_DATABASE_DSN", database_.dsn("postroom_relay")},
                                     {"POSTROOM_KAFKA_BROKERS", support::kafka()},
                                     {"POSTROOM_KAFKA_TOPIC", prefix_ + "{aggregatetype}"},
                                     {"POSTROOM_ADMIN_LISTEN", "127.0.0.1:0"}}}};
}

support::Process SagaFixture::orchestrator(std::map<std::string, std::string> environment) const {
    environment.insert({{"SHOP_ORCHESTRATOR_DSN", database_.dsn("shop_orchestrator")},
                        {"SHOP_ORCHESTRATOR_HTTP", "127.0.0.1:0"},
                        {"SHOP_KAFKA_BROKERS", support::kafka()},
                        {"SHOP_KAFKA_TOPIC", prefix_ + "{aggregatetype}"},
                        {"SHOP_CONSUMER_GROUP_PREFIX", prefix_},
                        {"SHOP_SAGA_STEP_TIMEOUT_MS", "60000"},
                        {"SHOP_SAGA_SWEEP_MS", "50"}});
    return support::Process{
        {.argv = {support::bin("shop"), "serve", "orchestrator"}, .env = environment}};
}

std::string SagaFixture::address(support::Process& orchestrator) {
    std::string found;
    support::eventually(seconds{20}, "the orchestrator to listen", [&] {
        std::istringstream lines{orchestrator.output()};
        for (std::string line; std::getline(lines, line);) {
            const auto entry = json::parse(line, nullptr, false);
            if (entry.is_object() && entry.value("message", "") == "listening")
                found = entry["address"];
        }
        if (!orchestrator.running()) throw std::runtime_error("ended: " + orchestrator.output());
        return !found.empty();
    });
    return found;
}

void SagaFixture::purchase(const std::vector<std::int64_t>& ids) const {
    std::vector<support::Draft> drafts;
    drafts.reserve(ids.size());
    for (const auto id : ids) {
        drafts.push_back(
            {.key = std::to_string(id),
             .value = json{{"version", 1}, {"purchase_id", id}, {"purchase", purchase_json}}.dump(),
             .headers = {{"id", outbox::EventId::make().to_string()},
                         {"type", "CreatePurchase"},
                         {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
                         {"tracestate", "rojo=1"},
                         {"correlation-id", "cart-17"}}});
    }
    support::produce(topic("purchase"), drafts);
}

std::string SagaFixture::reply(std::int64_t id, const std::string& command, bool success) const {
    const auto draft = answer(id, command, success, {});
    support::produce(topic("reply"), {draft});
    return draft.headers.at("id");
}

bool SagaFixture::works_until(const std::function<bool()>& condition) {
    return support::happens_within(seconds{60}, [&] {
        participants_.work();
        return condition();
    });
}

void SagaFixture::work_until(const std::string& what, const std::function<bool()>& condition) {
    if (!works_until(condition)) throw std::runtime_error{"waited 60 s for " + what};
}

std::string SagaFixture::state(std::int64_t id) const {
    return ask<std::string>(std::format(
        "select coalesce((select state from saga.instance where id = {}), 'NONE')", id));
}

int SagaFixture::asked(std::int64_t id, const std::string& command) const {
    const auto commands = participants_.commands(id);
    return static_cast<int>(std::ranges::count(commands, command));
}

void SagaFixture::expire(std::int64_t id) const {
    pqxx::connection connection{database_.dsn()};
    pqxx::nontransaction{connection}.exec(
        "update saga.instance set deadline = clock_timestamp() where id = $1 and deadline > "
        "clock_timestamp()",
        pqxx::params{id});
}

int SagaFixture::running() const { return ask<int>("select count(*) from saga.in_flight"); }

std::vector<std::string> SagaFixture::results(std::int64_t id) const {
    constexpr std::array statuses{"EXECUTE", "SUCCESS", "FAILED", "ROLLBACK", "ROLLBACK_FAILED"};
    std::vector<std::string> all;
    for (const auto& record : support::read_topic(topic("purchase-result"))) {
        const auto result = json::parse(record.value.value());
        if (result.at("purchase_id") != id) continue;
        all.push_back(std::format("{} {}{}", statuses.at(result.at("status").get<std::size_t>()),
                                  result.at("step").get<int>(),
                                  result.at("success").is_null()     ? ""
                                  : result.at("success").get<bool>() ? " =true"
                                                                     : " =false"));
    }
    return all;
}

}  // namespace saga_test
