#include "http/json_body.hpp"

#include <format>

namespace http {
namespace {

constexpr int max_depth = 16;

Member member(const nlohmann::json& object, const char* name, const std::string& prefix) {
    const auto found = object.find(name);
    if (found == object.end()) return tl::unexpected(invalid(prefix + name, "is required"));
    return &*found;
}

}  // namespace

Problem invalid(std::string field, std::string detail) {
    return {400, std::move(detail), std::move(field)};
}

tl::expected<nlohmann::json, Problem> json_object(const std::string& body) {
    bool too_deep = false;
    const auto shallow = [&](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
        too_deep = too_deep || depth > max_depth;
        return !too_deep;
    };
    auto parsed = nlohmann::json::parse(body, shallow, /*allow_exceptions=*/false);
    if (too_deep) {
        return tl::unexpected(
            Problem{400, std::format("the body is nested deeper than {}", max_depth)});
    }
    if (parsed.is_discarded()) return tl::unexpected(Problem{400, "the body is not JSON"});
    if (!parsed.is_object()) return tl::unexpected(Problem{400, "the body must be a JSON object"});
    return parsed;
}

Member object_member(const nlohmann::json& object, const char* name, const std::string& prefix) {
    auto found = member(object, name, prefix);
    if (found && !(*found)->is_object())
        return tl::unexpected(invalid(prefix + name, "must be an object"));
    return found;
}

Member array_member(const nlohmann::json& object, const char* name, const std::string& prefix) {
    auto found = member(object, name, prefix);
    if (found && !(*found)->is_array())
        return tl::unexpected(invalid(prefix + name, "must be an array"));
    return found;
}

tl::expected<std::string, Problem> string_member(const nlohmann::json& object, const char* name,
                                                 const std::string& prefix) {
    const auto found = member(object, name, prefix);
    if (!found) return tl::unexpected(found.error());
    if (!(*found)->is_string()) return tl::unexpected(invalid(prefix + name, "must be a string"));
    return (*found)->get<std::string>();
}

tl::expected<std::int64_t, Problem> whole_number(const nlohmann::json& object, const char* name,
                                                 const std::string& prefix, Range range) {
    const auto found = member(object, name, prefix);
    if (!found) return tl::unexpected(found.error());
    const auto& value = **found;
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX);
    if (!fits || value.get<std::int64_t>() < range.least ||
        value.get<std::int64_t>() > range.most) {
        return tl::unexpected(
            invalid(prefix + name,
                    std::format("must be a whole number from {} to {}", range.least, range.most)));
    }
    return value.get<std::int64_t>();
}

}  // namespace http
