// Applies events from Kafka to PostgreSQL, each exactly once.
//
//   outbox::Consumer consumer{{.name = "statements", .dsn = dsn, .brokers = "localhost:9092",
//                              .topics = {"outbox.event.account"}}};
//   consumer.on("MoneyWithdrawn", [](pqxx::transaction_base& tx, const outbox::Message& message) {
//   … }); consumer.run(stop_token);
//
// Many events are applied in one transaction, with their inbox rows; when that fails, one by one.
// Offsets are committed only after the database, so a crash redelivers and the inbox suppresses.
// Events of one key are applied in order; different keys at the same time, in several sessions. An
// event whose handler throws is tried again with growing pauses, and holds back only its own key;
// after the last attempt it goes, whole, to inbox.dead_letter, and later events of its key wait
// there behind it. Errors of the database itself (lost connection, deadlock, shutdown, a lock that
// takes longer than lock_timeout) cost no attempt: give the dsn a lock_timeout and a
// statement_timeout, or one lock that somebody holds delays every key. Nor does a table, column,
// function, schema or right that a handler lacks, as while an older process runs on a migrated
// database: the event is tried again, the log says why, and its key waits, until the database or
// the handler is mended. Events of a type without a handler are passed over.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <pqxx/transaction_base>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "outbox/event.hpp"

namespace outbox {

struct Message {
    EventId id;
    std::string type;
    std::string topic;
    int partition{};
    std::int64_t offset{};
    std::string key;
    std::string payload;  // empty for a tombstone
    std::map<std::string, std::string> headers;
};

// Headers for an event that this message causes: its traceparent, and its correlation-id (the
// message's own id when it carries none).
std::map<std::string, std::string> caused_by(const Message& message);

// Thrown by a handler for what no retry mends: to the dead letters at once.
class PoisonMessage : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Runs inside the transaction that also holds the inbox row; never commits it. May be called from
// several threads at once, for different keys, and again for the same message after a rollback.
using Handler = std::function<void(pqxx::transaction_base&, const Message&)>;

using Messages = std::span<const Message* const>;

// The same for several messages, at least one, in their order: what one statement does for all of
// them costs less. Called again with each of them alone, once it has thrown for more.
using BatchHandler = std::function<void(pqxx::transaction_base&, Messages)>;

// What every call of a handler goes through, in its thread: for spans and measures. It calls the
// rest once, with the same messages or with copies that have other headers, and lets through what
// that throws.
using Handle = std::function<void(Messages)>;
using Around = std::function<void(Messages, const Handle& handle)>;

struct ConsumerOptions {
    std::string
        name;  // Kafka group and inbox consumer; the same in every process that shares the work
    std::string dsn;      // libpq connection string of a role in postroom_service
    std::string brokers;  // bootstrap servers
    std::vector<std::string> topics;
    std::map<std::string, std::string> kafka = {};  // librdkafka's own properties; these win
    int workers = 4;                                // sessions, and transactions at the same time
    std::size_t batch = 500;              // events taken at once; up to thrice that in memory
    std::size_t share = 16;               // of them for a worker, before a second helps
    std::chrono::milliseconds linger{5};  // to wait for more, once there is one
    int attempts = 5;                     // of one event, before it is a dead letter
    std::chrono::milliseconds first_backoff{100};
    std::chrono::milliseconds last_backoff{10'000};
    std::size_t waiting =
        10'000;  // events held in memory behind failing ones, before fetching pauses
    std::function<void(std::string_view)> log = {};  // one line each; to stderr when absent
    Around around = {};
};

struct ConsumerCounts {  // since the start
    std::uint64_t received, applied, duplicates, ignored, retried, dead_lettered, batches,
        fallbacks;
};

struct PartitionLag {
    std::string topic;
    int partition{};
    std::int64_t records{};  // from the group's committed offset to the partition's end
};

class Consumer {
public:
    // Throws std::invalid_argument for options that cannot work. Connects to nothing yet.
    explicit Consumer(ConsumerOptions options);
    ~Consumer();
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;

    // Before run(). One handler a type; throws std::invalid_argument for a second.
    Consumer& on(std::string type, Handler handler);
    // One handler for these types, which gets those that follow each other in a transaction at
    // once.
    Consumer& on_batch(const std::vector<std::string>& types, BatchHandler handler);

    // Before run(). Called after each batch, when its transactions have ended, from run()'s thread:
    // whoever waits for their effects may look. Tells whether handlers may be at work on the next
    // one already. Must be quick.
    using AfterBatch = std::function<void(bool others_at_work)>;
    Consumer& after_batch(AfterBatch call);
    // Before run(). Called before after_batch's, from the same thread, with each message that has
    // taken effect before: whoever applied it may have died before it came to after_batch. Must be
    // quick, and not throw.
    Consumer& on_repeat(std::function<void(const Message&)> call);

    // Consumes until told to stop: then finishes what is in hand, commits its offsets and leaves
    // the group. Commits them within 100 ms else, so a crash redelivers no more than that and two
    // batches. Waits for servers that are away, as long as it takes. Throws only what no waiting
    // mends.
    void run(const std::stop_token& stop);

    // Thread-safe.
    ConsumerCounts counts() const;
    // Thread-safe, and asks no server. Of each partition that this process is assigned, by topic
    // and number: how many records are not behind it yet, be they fetched, failing or unread. The
    // partition's end is as Kafka told it with the last fetch, and fetching pauses while much is in
    // hand; marks of Kafka's transactions count as records. A group that has committed nothing yet
    // counts from the oldest record. Not there, rather than guessed: what Kafka has not told yet.
    // Empty when not running.
    std::vector<PartitionLag> lag() const;
    bool ready() const;  // in the group, and the last word of the database was good

private:
    class Runner;
    std::unique_ptr<Runner> runner_;
};

}  // namespace outbox
