#include "outbox/consumer.hpp"

#include <cstdio>
#include <utility>

#include "kafka_conf.hpp"
#include "runner.hpp"

namespace outbox {
namespace {

void need(bool sound, const char* what) {
    if (!sound) throw std::invalid_argument{std::string{"consumer options: "} + what};
}

ConsumerOptions checked(ConsumerOptions options) {
    need(!options.name.empty(), "name is missing");
    need(!options.dsn.empty(), "dsn is missing");
    need(!options.brokers.empty(), "brokers are missing");
    need(!options.topics.empty(), "topics are missing");
    need(options.workers >= 1 && options.workers <= 64, "workers must be 1 to 64");
    need(options.share >= 1, "a share must be of 1 event at least");
    need(options.batch >= 1 && options.batch <= 10'000, "batch must be 1 to 10000");
    need(options.attempts >= 1, "attempts must be at least 1");
    need(options.first_backoff.count() > 0 && options.first_backoff <= options.last_backoff,
         "first_backoff must be above 0 and at most last_backoff");
    need(options.waiting >= 1, "waiting must be at least 1");
    static_cast<void>(make_conf(options));
    if (!options.log) {
        options.log = [](std::string_view line) {
            std::fprintf(stderr, "postroom consumer: %.*s\n", static_cast<int>(line.size()),
                         line.data());
        };
    }
    return options;
}

}  // namespace

std::map<std::string, std::string> caused_by(const Message& message) {
    std::map<std::string, std::string> headers{{"correlation-id", message.id.to_string()}};
    for (const auto* name : {"traceparent", "tracestate", "correlation-id"}) {
        if (const auto found = message.headers.find(name); found != message.headers.end())
            headers[name] = found->second;
    }
    return headers;
}

Consumer::Consumer(ConsumerOptions options)
    : runner_{std::make_unique<Runner>(checked(std::move(options)))} {}
Consumer::~Consumer() = default;

Consumer& Consumer::on(std::string type, Handler handler) {
    return on_batch({std::move(type)}, [handler = std::move(handler)](auto& tx, Messages some) {
        for (const auto* message : some) handler(tx, *message);
    });
}

Consumer& Consumer::on_batch(const std::vector<std::string>& types, BatchHandler handler) {
    runner_->on_batch(types, std::move(handler));
    return *this;
}

Consumer& Consumer::after_batch(AfterBatch call) {
    runner_->after_batch(std::move(call));
    return *this;
}

Consumer& Consumer::on_repeat(std::function<void(const Message&)> call) {
    runner_->on_repeat(std::move(call));
    return *this;
}

void Consumer::run(const std::stop_token& stop) { runner_->run(stop); }
ConsumerCounts Consumer::counts() const { return runner_->counts(); }
std::vector<PartitionLag> Consumer::lag() const { return runner_->lag(); }
bool Consumer::ready() const { return runner_->ready(); }

}  // namespace outbox
