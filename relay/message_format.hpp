// What an event is in Kafka: the headers and the value of a record, in the format asked for. Its
// key is always the aggregate's id, and without content its value is null, a tombstone.
//
//   plain                   headers id, type, content-type and the event's own; value: the content
//   cloudevents_binary      attributes as headers ce_…, content-type; value: the content
//   cloudevents_structured  value: a JSON envelope of attributes and content; a tombstone, whose
//                           value cannot hold one, is binary
//   debezium                header id; value: the content, as of Debezium's Outbox Event Router
//
// The event's own headers are Kafka headers in the formats of CloudEvents, too, and attributes as
// well if their names are legal: [a-z0-9]+ and none of those that the event itself has.
// Source: CloudEvents 1.0.2, its Kafka protocol binding and its JSON event format.
#pragma once

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "relay/batch.hpp"

namespace relay {

enum class Format { plain, cloudevents_binary, cloudevents_structured, debezium };
inline constexpr std::array<std::string_view, 4> format_names{"plain", "cloudevents_binary",
                                                              "cloudevents_structured", "debezium"};

// Whether the format tells when an event was appended.
bool needs_time(Format format);

// The ce_source of a database for which none was set.
std::string source_of(std::string_view database);
// Of microseconds since 2000-01-01, which is PostgreSQL's timestamptz; UTC.
std::string rfc3339(std::int64_t microseconds);
std::string base64(std::string_view bytes);
// Whether a header of that name may become an attribute.
bool is_extension(std::string_view name);

// Not thread-safe.
class MessageFormat {
public:
    MessageFormat(Format format, std::string source)
        : format_{format}, source_{std::move(source)} {}

    struct Message {
        using Headers = std::unique_ptr<rd_kafka_headers_t, void (*)(rd_kafka_headers_t*)>;
        Headers headers{nullptr, &rd_kafka_headers_destroy};
        std::optional<std::string_view> value;
        bool transient = false;  // the value lasts until the next message only; else as the row
    };
    // Traces the row as handed over to the topic, if this process traces. Throws
    // nlohmann::json::exception when the event cannot be represented.
    Message operator()(const Row& row, const std::string& topic);

private:
    Format format_;
    std::string source_, value_;
};

}  // namespace relay
