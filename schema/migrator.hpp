// Brings a database's schema up to date from directories of append-only SQL files.
//
//   schema::Report report = schema::migrate(dsn, {"schema/outbox", "schema/order"});
//
// A directory is a scope, named by its last component, with files NNNN_name.sql numbered from 0001.
// Each file runs in a transaction of its own, which also records it, with its SHA-256, in
// postroom.migration, which everybody may read. What has been applied must stay as it was: a
// changed, renamed or missing file, a gap or a number used twice is refused before anything runs.
// Two starts at once are safe: the second waits for the first (a session advisory lock), and then
// finds nothing to do.
//
// Throws MigrationError; its message names the file, the line where PostgreSQL tells one, and what
// to do. The files before the failing one stay applied. Thread-safe: nothing is shared between
// calls.
#pragma once

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace schema {

struct Options {
    std::chrono::seconds lock_timeout{60};  // how long to wait for another migration to end
};

struct Report {
    std::vector<std::string> applied;  // "outbox/0001_outbox.sql", in the order they ran
    int already_applied = 0;
};

class MigrationError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

Report migrate(const std::string& conninfo, const std::vector<std::filesystem::path>& dirs,
               const Options& options = {});

}  // namespace schema
