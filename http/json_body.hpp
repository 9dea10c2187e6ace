// Reads a request's JSON body, naming the field that is wrong: the edge where JSON stops.
//
//   const auto body = json_object(text);
//   const auto quantity = whole_number(*item, "quantity", "order_items[0].", {1, 10'000});
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <tl/expected.hpp>

#include "http/message.hpp"

namespace http {

Problem invalid(std::string field, std::string detail);

// The body as an object; refuses what is not JSON, not an object, or nested deeper than 16.
tl::expected<nlohmann::json, Problem> json_object(const std::string& body);

// The member, or a problem that names prefix + name. Pointers live as long as the object.
using Member = tl::expected<const nlohmann::json*, Problem>;
Member object_member(const nlohmann::json& object, const char* name,
                     const std::string& prefix = {});
Member array_member(const nlohmann::json& object, const char* name, const std::string& prefix = {});
tl::expected<std::string, Problem> string_member(const nlohmann::json& object, const char* name,
                                                 const std::string& prefix = {});

struct Range {
    std::int64_t least, most;
};
tl::expected<std::int64_t, Problem> whole_number(const nlohmann::json& object, const char* name,
                                                 const std::string& prefix, Range range);

}  // namespace http
