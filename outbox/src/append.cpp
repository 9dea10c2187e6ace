#include "outbox/append.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <utility>
#include <vector>

#include "faults.hpp"
#include "outbox/inbox.hpp"
#include "outbox/prepared.hpp"

namespace {

using Text = std::optional<std::string>;

Text json(const outbox::Event& event) {
    const auto* content = std::get_if<outbox::Json>(&event.content);
    return content != nullptr ? Text{content->text} : Text{};
}

Text hex(const outbox::Event& event) {  // bytea's input format
    const auto* content = std::get_if<outbox::Bytes>(&event.content);
    if (content == nullptr) return std::nullopt;
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "\\x";
    for (const char c : content->data) {
        text += digits[static_cast<unsigned char>(c) >> 4U];
        text += digits[static_cast<unsigned char>(c) & 15U];
    }
    return text;
}

Text content_type(const outbox::Event& event) {
    const auto* content = std::get_if<outbox::Bytes>(&event.content);
    return content != nullptr && !content->content_type.empty() ? Text{content->content_type}
                                                                : Text{};
}

Text headers(const outbox::Event& event) {
    return event.headers.empty() ? Text{} : Text{nlohmann::json(event.headers).dump()};
}

Text available_at(const outbox::Event& event) {
    if (!event.available_at) return std::nullopt;
    return std::format("{:%F %T}Z",
                       std::chrono::floor<std::chrono::microseconds>(*event.available_at));
}

// The function keeps its plan; planning an INSERT costs more than calling it. Planned before, the
// INSERT is the cheaper.
constexpr auto append_one = R"(
select outbox.append($1, $2, $3, $4::jsonb, $5::jsonb, $6::uuid, $7::bytea, $8, $9::timestamptz))";
constexpr auto insert_one = R"(
insert into outbox.event (aggregatetype, aggregateid, type, payload, headers, id, body, content_type, available_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9))";

constexpr auto append_many = R"(
insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers, body, content_type, available_at)
select e.id, e.aggregatetype, e.aggregateid, e.type, e.payload::jsonb, e.headers::jsonb, e.body::bytea, e.content_type,
       e.available_at::timestamptz
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[])
     with ordinality e(id, aggregatetype, aggregateid, type, payload, headers, body, content_type, available_at, n)
order by e.n)";

constexpr std::size_t events_a_statement = 500;

outbox::AroundAppend& around() {
    static outbox::AroundAppend call;
    return call;
}

outbox::EventId write(pqxx::transaction_base& tx, const outbox::Event& event) {
    const auto id = event.id.value_or(outbox::EventId::make());
    outbox::exec(tx, outbox::is_prepared(tx) ? insert_one : append_one,
                 pqxx::params{event.aggregate_type, event.aggregate_id, event.type, json(event),
                              headers(event), id.to_string(), hex(event), content_type(event),
                              available_at(event)});
    return id;
}

std::vector<outbox::EventId> write(pqxx::transaction_base& tx,
                                   std::span<const outbox::Event> events) {
    std::vector<outbox::EventId> all;
    all.reserve(events.size());
    while (!events.empty()) {
        const auto some = events.first(std::min(events.size(), events_a_statement));
        events = events.subspan(some.size());
        std::vector<std::string> ids, aggregate_types, aggregate_ids, types;
        std::vector<Text> payloads, all_headers, bodies, content_types, due_times;
        for (const auto& event : some) {
            all.push_back(event.id.value_or(outbox::EventId::make()));
            ids.push_back(all.back().to_string());
            aggregate_types.push_back(event.aggregate_type);
            aggregate_ids.push_back(event.aggregate_id);
            types.push_back(event.type);
            payloads.push_back(json(event));
            all_headers.push_back(headers(event));
            bodies.push_back(hex(event));
            content_types.push_back(content_type(event));
            due_times.push_back(available_at(event));
        }
        outbox::exec(tx, append_many,
                     pqxx::params{ids, aggregate_types, aggregate_ids, types, payloads, all_headers,
                                  bodies, content_types, due_times});
    }
    return all;
}

// With ids, so that whoever looks on can tell them.
std::vector<outbox::Event> named(std::span<const outbox::Event> events) {
    std::vector<outbox::Event> all{events.begin(), events.end()};
    for (auto& event : all) event.id = event.id.value_or(outbox::EventId::make());
    return all;
}

}  // namespace

namespace outbox {

void around_append(AroundAppend call) { around() = std::move(call); }

EventId append(pqxx::transaction_base& tx, const Event& event) {
    if (!around()) return write(tx, event);
    auto one = named({&event, 1});
    around()(one, [&] { write(tx, one.front()); });
    return one.front().id.value();
}

std::vector<EventId> append(pqxx::transaction_base& tx, std::span<const Event> events) {
    if (!around() || events.empty()) return write(tx, events);
    auto all = named(events);
    std::vector<EventId> ids;
    around()(all, [&] { ids = write(tx, std::span<const Event>{all}); });
    return ids;
}

}  // namespace outbox

namespace inbox {

bool accept(pqxx::transaction_base& tx, std::string_view consumer, const outbox::EventId& id,
            std::string_view source) {
    if (faults::mutant("no_inbox")) return true;
    if (faults::mutant("check_then_insert")) {
        const bool seen = tx.exec(
                                "select exists (select from inbox.received where event_id = $1 and "
                                "consumer = $2)",
                                pqxx::params{id.to_string(), consumer})
                              .one_field()
                              .as<bool>();
        tx.exec(
            "insert into inbox.received (event_id, consumer) values ($1, $2) on conflict do "
            "nothing",
            pqxx::params{id.to_string(), consumer});
        return !seen;
    }
    return outbox::exec(tx, "select inbox.accept($1, $2, nullif($3, ''))",
                        pqxx::params{consumer, id.to_string(), source})
        .one_field()
        .as<bool>();
}

}  // namespace inbox
