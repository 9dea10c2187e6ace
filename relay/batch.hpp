// Events read from the outbox, on their way to Kafka.
//
// A batch owns the bytes of its rows, so that the sink can hand them to librdkafka without a copy;
// it has to outlive their delivery. Not thread-safe: it has one owner at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relay {

using UuidBytes = std::array<unsigned char, 16>;
std::string to_string(const UuidBytes& id);

struct Batch;

struct Row {
    std::int64_t seq{};
    std::int64_t place{};  // in the order of publication: the seq, or the count of a stream's rows
    UuidBytes id{};
    std::string_view aggregate_type, aggregate_id, type;
    std::optional<std::string_view> value;  // JSON text or bytes; none is a tombstone
    bool is_json{};
    std::string_view content_type;
    std::string_view headers;                // a JSON object as text, or empty
    bool delayed{};                          // not to be published with its batch, but when due
    std::optional<std::int64_t> created_at;  // in µs since 2000, if it was asked for
    Batch* batch{};                          // for the delivery report, which knows the row only
};

struct Batch {
    std::vector<Row> rows;
    std::vector<std::unique_ptr<char[]>> blocks;  // what the rows' views look into
    std::size_t bytes{};
    std::size_t undelivered{};          // rows that are neither acknowledged nor set aside
    std::size_t aside{};                // rows that are dead or delayed
    std::vector<std::int64_t> delayed;  // the seqs of those that are delayed
    bool errand{};                      // what an errand brings: it has waited on purpose
    std::shared_ptr<void> trace;        // tracing.hpp's spans of it; none when that is off
    std::int64_t last_place() const { return rows.back().place; }
};

// Makes batches of rows in PostgreSQL's binary format: the columns that a source reads.
class BatchBuilder {
public:
    // One value of a row; data is null for NULL.
    struct Field {
        const char* data{};
        std::size_t size{};
    };
    static constexpr std::array<std::string_view, 11> names{
        "seq",  "id",           "aggregatetype", "aggregateid",  "type",      "payload",
        "body", "content_type", "headers",       "available_at", "created_at"};
    static constexpr std::size_t columns = names.size();
    using Fields = std::array<Field, columns>;

    // place: the seq, unless told.
    void add(const Fields& fields, std::optional<std::int64_t> place = std::nullopt);
    bool empty() const { return !batch_ || batch_->rows.empty(); }
    bool full() const {
        return batch_ && (batch_->rows.size() >= max_rows || batch_->bytes >= max_bytes);
    }
    std::unique_ptr<Batch> take();

private:
    static constexpr std::size_t max_rows = 2048;
    static constexpr std::size_t max_bytes = 1U << 20U;
    static constexpr std::size_t block_size = 1U << 18U;

    char* space(std::size_t size);

    std::unique_ptr<Batch> batch_;
    std::size_t used_{};
    std::size_t capacity_{};
};

// Splits one CopyData message of COPY (FORMAT binary) into fields; false for the trailer.
// Format: PostgreSQL manual, COPY, "Binary Format". Throws std::runtime_error on anything else.
bool parse_copy_row(std::string_view message, BatchBuilder::Fields& fields);

}  // namespace relay
