// A versioned event's JSON: one place for what every event has in common.
#pragma once

#include <chrono>
#include <cstdint>
#include <format>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace domain {

// Calls read(object) for an event object of this version. Missing fields and wrong types, which
// read meets by at() and get_ref(), become the error, too.
template <class Read>
auto read_event(std::string_view json, int version, Read&& read)
    -> tl::expected<decltype(read(nlohmann::json{})), std::string> {
    try {
        const auto event = nlohmann::json::parse(json);
        if (const auto& given = event.at("version"); given != version) {
            return tl::unexpected("version " + given.dump() + " of the event is not known here");
        }
        return read(event);
    } catch (const nlohmann::json::exception& error) {
        return tl::unexpected(std::string{"not the event it should be: "} + error.what());
    }
}

// A whole number: unlike json::get, which would round 1.5 and wrap 2^63.
inline std::int64_t whole_number(const nlohmann::json& object, const char* field) {
    const auto& value = object.at(field);
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX)) {
        throw nlohmann::json::type_error::create(
            302, std::string{field} + " must be a whole number", &object);
    }
    return value.get<std::int64_t>();
}

// RFC 3339, UTC, milliseconds: every event's timestamp.
inline std::string rfc3339(std::chrono::system_clock::time_point time) {
    return std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::milliseconds>(time));
}

}  // namespace domain
