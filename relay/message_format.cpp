#include "relay/message_format.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <chrono>
#include <format>
#include <nlohmann/json.hpp>

#include "faults.hpp"
#include "relay/tracing.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using Headers = MessageFormat::Message::Headers;

// CloudEvents' own attributes, as far as an event has them, and the envelope's members.
constexpr std::array<std::string_view, 8> reserved{
    "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"};

bool is_reserved(std::string_view name) {
    return std::ranges::find(reserved, name) != reserved.end();
}

Headers empty_headers() { return {rd_kafka_headers_new(8), &rd_kafka_headers_destroy}; }

void add(const Headers& headers, std::string_view name, std::string_view value) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
}

// Whoever consumes the event goes on from its publish span.
void continue_trace(const Row& row, const std::string& topic, json& headers) {
    const auto parent = headers.find("traceparent");
    if (parent == headers.end() || !parent->is_string()) return;
    const auto state = headers.find("tracestate");
    const bool has_state = state != headers.end() && state->is_string();
    if (auto left_with = Tracing::active()->hand_over(
            row, topic, parent->get_ref<const std::string&>(),
            has_state ? state->get_ref<const std::string&>() : std::string{}))
        *parent = std::move(*left_with);
}

json own_headers(const Row& row, const std::string& topic) {
    if (row.headers.empty()) return json::object();
    auto headers = json::parse(row.headers);
    if (Tracing::active() != nullptr) continue_trace(row, topic, headers);
    return headers;
}

std::string text_of(const json& value) {
    return value.is_string() ? value.get_ref<const std::string&>() : value.dump();
}

bool is_column(std::string_view name) {  // the schema refuses these as well
    return name == "id" || name == "type" || name == "content-type";
}

bool is_attribute(const std::string& name, const json& value) {
    return is_extension(name) && !value.is_null();
}

void add_own(const Headers& headers, const json& own) {
    for (const auto& [name, value] : own.items()) {
        if (!is_column(name)) add(headers, name, text_of(value));
    }
}

Headers plain_headers(const Row& row, const json& own) {
    auto headers = empty_headers();
    add(headers, "id", to_string(row.id));
    if (faults::mutant("dedupe_by_seq")) add(headers, "seq", std::to_string(row.seq));
    add(headers, "type", row.type);
    if (!row.content_type.empty()) add(headers, "content-type", row.content_type);
    add_own(headers, own);
    return headers;
}

Headers binary_headers(const Row& row, const json& own, const std::string& source) {
    auto headers = empty_headers();
    add(headers, "ce_specversion", "1.0");
    add(headers, "ce_id", to_string(row.id));
    add(headers, "ce_source", source);
    add(headers, "ce_type", row.type);
    add(headers, "ce_subject", row.aggregate_id);
    if (row.created_at) add(headers, "ce_time", rfc3339(*row.created_at));
    if (!row.content_type.empty()) add(headers, "content-type", row.content_type);
    for (const auto& [name, value] : own.items()) {
        if (is_column(name) ||
            (name.starts_with("ce_") && is_reserved(std::string_view{name}.substr(3))))
            continue;
        add(headers, name, text_of(value));
        if (is_attribute(name, value)) add(headers, "ce_" + name, text_of(value));
    }
    return headers;
}

Headers structured_headers(const json& own) {
    auto headers = empty_headers();
    add(headers, "content-type", "application/cloudevents+json");
    add_own(headers, own);
    return headers;
}

Headers debezium_headers(const Row& row) {
    auto headers = empty_headers();
    add(headers, "id", to_string(row.id));
    return headers;
}

std::string envelope(const Row& row, const json& own, const std::string& source) {
    nlohmann::ordered_json attributes{{"specversion", "1.0"},
                                      {"id", to_string(row.id)},
                                      {"source", source},
                                      {"type", row.type},
                                      {"subject", row.aggregate_id}};
    if (row.created_at) attributes["time"] = rfc3339(*row.created_at);
    if (!row.content_type.empty()) attributes["datacontenttype"] = row.content_type;
    for (const auto& [name, value] : own.items()) {
        if (is_attribute(name, value)) attributes[name] = text_of(value);
    }
    auto text = attributes.dump();
    text.pop_back();  // its end; the content is JSON already, and stays as PostgreSQL has it
    if (row.is_json) return text.append(R"(,"data":)").append(*row.value) += '}';
    return text.append(R"(,"data_base64":")").append(base64(*row.value)) += R"("})";
}

}  // namespace

bool needs_time(Format format) {
    return format == Format::cloudevents_binary || format == Format::cloudevents_structured;
}

std::string source_of(std::string_view database) {
    std::string source = "/postroom/";
    for (const char c : database) {
        const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                                c == '~';
        source +=
            unreserved ? std::string(1, c) : std::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return source;
}

std::string rfc3339(std::int64_t microseconds) {
    constexpr std::chrono::sys_days epoch{2000y / 1 / 1};
    return std::format("{:%FT%T}Z", epoch + std::chrono::microseconds{microseconds});
}

std::string base64(std::string_view bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and the NUL that is written
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                    reinterpret_cast<const unsigned char*>(bytes.data()),
                    static_cast<int>(bytes.size()));
    text.pop_back();
    return text;
}

bool is_extension(std::string_view name) {
    return !name.empty() && !is_reserved(name) && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    });
}

MessageFormat::Message MessageFormat::operator()(const Row& row, const std::string& topic) {
    const bool tells_own = format_ != Format::debezium || Tracing::active() != nullptr;
    const auto own = tells_own ? own_headers(row, topic) : json::object();
    Message message;
    message.value = row.value;
    switch (format_) {
        case Format::plain:
            message.headers = plain_headers(row, own);
            break;
        case Format::debezium:
            message.headers = debezium_headers(row);
            break;
        case Format::cloudevents_structured:
            if (row.value) {
                message.headers = structured_headers(own);
                value_ = envelope(row, own, source_);
                message.value = value_;
                message.transient = true;
                break;
            }
            [[fallthrough]];
        case Format::cloudevents_binary:
            message.headers = binary_headers(row, own, source_);
            break;
    }
    return message;
}

}  // namespace relay
