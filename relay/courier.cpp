#include "relay/courier.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "faults.hpp"
#include "relay/table_source.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
// Small, as a topic may allow little, and a batch is refused whole, innocent rows and all.
constexpr int batch_bytes = 10'000;

}  // namespace

Courier::Courier(const Settings& settings, KafkaOptions kafka, const std::stop_token& stop,
                 std::function<void()> check)
    : settings_{settings}, kafka_{std::move(kafka)}, stop_{stop}, check_{std::move(check)} {}

std::unique_ptr<Batch> Courier::read(Connection& connection, const std::string& statement,
                                     std::initializer_list<std::optional<std::string>> parameters) {
    BatchBuilder builder;
    connection.stream_prepared(statement, parameters, [&](const Result& rows) {
        for (int row = 0; row < rows.rows(); ++row) {
            if (builder.full()) return false;
            builder.add(fields_of(rows, row));
        }
        return true;
    });
    if (builder.empty()) return nullptr;
    auto batch = builder.take();
    batch->errand = true;
    return batch;
}

KafkaSink& Courier::sink() {
    if (!sink_)
        sink_ = std::make_unique<KafkaSink>(
            kafka_, KafkaSink::Batches{.one_by_one = one_by_one_, .bytes = batch_bytes});
    return *sink_;
}

Courier::Outcome Courier::deliver(std::unique_ptr<Batch> batch) {
    batch_ = std::move(batch);
    batch_->undelivered = batch_->rows.size();
    sink();
    auto refusal = send();
    faults::crash_point("after_errand");
    if (refusal) forget_refusals();
    return {.published = batch_->rows.size() - batch_->undelivered, .refusal = std::move(refusal)};
}

void Courier::forget_refusals() {
    if (std::exchange(one_by_one_, false)) sink_.reset();
}

void Courier::rest() {
    one_by_one_ = false;
    sink_.reset();
}

// Why Kafka refused the first row that is undelivered now; nothing if that was not refused.
std::optional<std::string> Courier::send() {
    try {
        send_all();
        if (batch_->undelivered == 0) return std::nullopt;
        return sink_->refusal();
    } catch (const ProducerFailed&) {
        sink_->collect();
        if (sink_->refused().empty()) throw;
        const auto [row, error] = sink_->refused().front();
        sink_.reset();
        // Whatever else it was told, nothing that comes after a refused row counts as delivered.
        const auto before = static_cast<std::size_t>(row - batch_->rows.data());
        batch_->undelivered = std::max(batch_->undelivered, batch_->rows.size() - before);
        if (one_by_one_) return error;
        one_by_one_ = true;
        return std::nullopt;
    }
}

// Until all are delivered, or those before one that can never be sent.
void Courier::send_all() {
    for (std::size_t sent = 0; sent < batch_->rows.size(); ++sent) {
        const auto left = batch_->rows.size() - sent;
        auto answer = sink_->publish(batch_->rows[sent]);
        while (answer == KafkaSink::Answer::full) {
            await(batch_->undelivered - 1);
            answer = sink_->publish(batch_->rows[sent]);
        }
        if (answer == KafkaSink::Answer::refused) return await(left);
        if (one_by_one_) await(left - 1);
    }
    await(0);
}

void Courier::await(std::size_t left) {
    auto progress = Clock::now();
    for (auto before = batch_->undelivered; batch_->undelivered > left;) {
        left == 0 ? sink_->flush(10ms) : sink_->serve(10ms);
        check_();
        if (std::exchange(before, batch_->undelivered) != batch_->undelivered)
            progress = Clock::now();
        if (Clock::now() - progress > (stop_.stop_requested() ? settings_.stop : settings_.stall))
            throw ProducerFailed{"Kafka did not acknowledge in time what is published by itself"};
    }
}

}  // namespace relay
