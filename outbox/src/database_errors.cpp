#include "database_errors.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace outbox {

bool is_lost_statement(const pqxx::sql_error& error) {
    return error.sqlstate() == "26000" || error.sqlstate() == "42P05";
}

bool is_infrastructure(const pqxx::sql_error& error) {
    const auto& state = error.sqlstate();
    if (state == "57014") return false;  // a statement that takes too long does so again
    return state.starts_with("08") || state.starts_with("40") || state.starts_with("53") ||
           state.starts_with("57") || state.starts_with("58") || state == "25006";
}

bool is_schema_trouble(const pqxx::sql_error& error) {
    // Undefined function, column, table, schema. libpqxx leaves the state of the other empty.
    constexpr std::array<std::string_view, 4> states{"42883", "42703", "42P01", "3F000"};
    return std::ranges::contains(states, error.sqlstate()) ||
           dynamic_cast<const pqxx::insufficient_privilege*>(&error) != nullptr;
}

}  // namespace outbox
