// The migration files of one directory, read and checked: numbered 1, 2, 3… without gap or
// repetition.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace schema {

struct MigrationFile {
    int version;
    std::string name;  // the whole file name, 0001_outbox.sql
    std::string sql;
};

struct Scope {
    std::string name;
    std::filesystem::path dir;
    std::vector<MigrationFile> files;  // by version
};

// Throws MigrationError when the directory, a name or the numbering is wrong.
Scope read_scope(const std::filesystem::path& dir);

}  // namespace schema
