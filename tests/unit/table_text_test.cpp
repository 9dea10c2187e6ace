// Rows as text, made without a server.
#include "relay/table_text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace {

using Cells = std::vector<std::optional<std::string>>;

// Columns: n (int8), name (text), more (jsonb), on (boolean).
relay::Result rows_of(const std::vector<Cells>& rows) {
    relay::Result result{PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK)};
    std::array<std::string, 4> names{"n", "name", "more", "on"};
    constexpr std::array<Oid, 4> types{20, 25, 3802, 16};
    std::array<PGresAttDesc, 4> columns{};
    for (std::size_t c = 0; c < columns.size(); ++c) {
        columns[c].name = names[c].data();
        columns[c].typid = types[c];
    }
    PQsetResultAttrs(result.get(), 4, columns.data());
    for (int row = 0; row < static_cast<int>(rows.size()); ++row) {
        for (int column = 0; column < 4; ++column) {
            auto cell = rows[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
            PQsetvalue(result.get(), row, column, cell ? cell->data() : nullptr,
                       cell ? static_cast<int>(cell->size()) : -1);
        }
    }
    return result;
}

TEST(TableText, AlignsColumnsAndWritesNoControlCharacters) {
    EXPECT_EQ(relay::as_table(rows_of({{"7", "é", "{}", "t"}, {"10", "a\x1b[2J", "{}", "f"}})),
              " n  name      more  on\n"
              " 7  é         {}    yes\n"
              "10  a\\x1b[2J  {}    no\n");
    EXPECT_EQ(relay::as_table(rows_of({})), "(none)\n");
}

TEST(TableText, WritesARecordWithoutWhatIsNull) {
    EXPECT_EQ(relay::as_record(rows_of({{"7", "x", std::nullopt, "t"}})),
              "n     7\nname  x\non    yes\n");
}

TEST(TableText, WritesJsonOfTheRightTypesToTheLastDigit) {
    EXPECT_EQ(relay::as_json(rows_of(
                  {{"7", "a\"b", "{\"x\": 1e400}", "t"}, {std::nullopt, "", std::nullopt, "f"}})),
              "[\n"
              "  {\"n\": 7, \"name\": \"a\\\"b\", \"more\": {\"x\": 1e400}, \"on\": true},\n"
              "  {\"n\": null, \"name\": \"\", \"more\": null, \"on\": false}\n"
              "]\n");
    EXPECT_EQ(relay::as_json(rows_of({})), "[]\n");
}

}  // namespace
