// Ids as an SQL array: `where id = any ($1)`, pqxx::params{numbers(ids)}.
#pragma once

#include <cstdint>
#include <vector>

namespace domain {

// In the order of any container of ids.
template <class Ids>
std::vector<std::int64_t> numbers(const Ids& ids) {
    std::vector<std::int64_t> values;
    values.reserve(ids.size());
    for (const auto id : ids) values.push_back(id.value);
    return values;
}

}  // namespace domain
