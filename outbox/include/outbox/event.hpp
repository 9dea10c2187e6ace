// An event, as a service appends it and a consumer knows it.
//
//   outbox::Event event{.aggregate_type = "order", .aggregate_id = "42", .type = "OrderPlaced",
//                       .content = outbox::Json{R"({"amount": 12})"}};
//
// Plain values: copy, move and share them as any other.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace outbox {

// The identity that consumers dedupe by: a UUID of version 7, which sorts by its age.
// Source: RFC 9562, section 5.7, with the fraction of the millisecond in rand_a (section 6.2,
// method 3).
class EventId {
public:
    // A new one. Thread-safe. Make it before the transaction, and keep it when an append whose
    // commit had an unknown outcome is tried again: the inbox then sees one event.
    static EventId make();
    // From 32 hex digits, with or without hyphens; throws std::invalid_argument.
    static EventId parse(std::string_view text);

    std::string to_string() const;  // 8-4-4-4-12, lower case
    friend auto operator<=>(const EventId&, const EventId&) = default;

private:
    std::array<unsigned char, 16> bytes_{};
};

struct Json {
    std::string text;  // PostgreSQL checks it when it is appended
};

struct Bytes {
    std::string data;
    std::string content_type;  // a media type; application/octet-stream when empty
};

struct Event {
    std::string aggregate_type;  // routes it: [A-Za-z0-9._-], at most 200 characters
    std::string aggregate_id;    // the Kafka key: events of one key keep their order
    std::string type;            // what happened, in the past tense
    std::variant<std::monostate, Json, Bytes> content = {};  // none: a tombstone
    std::map<std::string, std::string> headers =
        {};                          // Kafka headers: traceparent, correlation-id, …
    std::optional<EventId> id = {};  // made when absent
    // Published when it is due, by the server's clock, and ordered by that; absent: at once, in
    // order.
    std::optional<std::chrono::system_clock::time_point> available_at = {};
};

}  // namespace outbox
