// Rows of PostgreSQL as text: a table or a record for people, JSON for programs. Pure, and safe to
// call from any thread. Takes results in text format.
#pragma once

#include <string>

#include "relay/postgres.hpp"

namespace relay {

// Columns under their names, numbers to the right; "(none)" without rows. Control characters, which
// a terminal would obey, are written as \xNN.
std::string as_table(const Result& rows);
// The first row, a column a line, without those that are null.
std::string as_record(const Result& rows);
// An array of objects: numbers, booleans and jsonb as such, to the last digit; the rest as strings.
std::string as_json(const Result& rows);

}  // namespace relay
