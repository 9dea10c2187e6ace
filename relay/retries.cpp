#include "relay/retries.hpp"

#include <spdlog/spdlog.h>

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
// How long other keys wait for a retried one is bounded by these.
constexpr auto rows_at_once = "1000";
constexpr auto rows_one_by_one = "100";

constexpr auto letters_sql = R"(
select seq, id, aggregatetype, aggregateid, type, payload, body, content_type, headers
from outbox.read_letters($1::uuid, $2::int))";

}  // namespace

Retries::Retries(const Settings& settings, const std::stop_token& stop, Connection& connection,
                 std::function<void()> check)
    : settings_{settings}, stop_{stop}, connection_{connection}, check_{std::move(check)} {
    connection_.prepare("letters", letters_sql);
}

std::size_t Retries::publish_some() {
    const auto head = oldest_request();
    if (head.empty()) {
        sink_.reset();
        return 0;
    }
    batch_ = read(head);
    if (!batch_) {
        connection_.run("select outbox.retried($1, '{}', null, null)", {head});
        send_batches();
        return 0;
    }
    if (!sink_)
        sink_ = std::make_unique<KafkaSink>(
            settings_.kafka, KafkaSink::Batches{.one_by_one = one_by_one_, .bytes = batch_bytes});
    batch_->undelivered = batch_->rows.size();
    const auto refusal = send();
    const auto published = batch_->rows.size() - batch_->undelivered;
    faults::crash_point("after_retry");
    report(head, published, refusal);
    if (refusal) send_batches();
    return published;
}

void Retries::send_batches() {
    if (std::exchange(one_by_one_, false)) sink_.reset();
}

std::string Retries::oldest_request() {
    const auto request = connection_.run(
        "select event_id from outbox.retry where shard = $1 order by requested_at, event_id "
        "limit 1",
        {std::to_string(settings_.shard)});
    return request.rows() == 0 ? std::string{} : std::string{request.at(0, 0)};
}

std::unique_ptr<Batch> Retries::read(const std::string& head) {
    BatchBuilder builder;
    connection_.stream_prepared("letters", {head, one_by_one_ ? rows_one_by_one : rows_at_once},
                                [&](const Result& rows) {
                                    for (int row = 0; row < rows.rows(); ++row) {
                                        if (builder.full()) return false;
                                        builder.add(fields_of(rows, row));
                                    }
                                    return true;
                                });
    return builder.empty() ? nullptr : builder.take();
}

// Why Kafka refused the first row that is undelivered now; nothing if that was not refused.
std::optional<std::string> Retries::send() {
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
void Retries::send_all() {
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

void Retries::await(std::size_t left) {
    auto progress = Clock::now();
    for (auto before = batch_->undelivered; batch_->undelivered > left;) {
        sink_->serve(10ms);
        check_();
        if (std::exchange(before, batch_->undelivered) != batch_->undelivered)
            progress = Clock::now();
        if (Clock::now() - progress > (stop_.stop_requested() ? settings_.stop : settings_.stall))
            throw ProducerFailed{"Kafka did not acknowledge a retried event in time"};
    }
}

void Retries::report(const std::string& head, std::size_t published,
                     const std::optional<std::string>& refusal) {
    std::string ids = "{";
    for (std::size_t i = 0; i < published; ++i)
        ids += (i > 0 ? "," : "") + to_string(batch_->rows[i].id);
    ids += "}";
    std::optional<std::string> refused;
    if (refusal) {
        const auto& row = batch_->rows[published];
        refused = to_string(row.id);
        spdlog::error("event {} ({}, key {}) was refused again: {}", *refused, row.type,
                      row.aggregate_id, *refusal);
    }
    connection_.run("select outbox.retried($1, $2, $3, $4)", {head, ids, refused, refusal});
    if (published > 0) spdlog::info("published {} events that waited for {}", published, head);
}

}  // namespace relay
