#include "schema/migration_files.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>

#include "schema/migrator.hpp"

namespace schema {
namespace {

std::string contents(const std::filesystem::path& path) {
    std::ifstream in{path, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (!in) throw MigrationError{path.string() + ": cannot be read"};
    return text;
}

void check_numbering(const Scope& scope) {
    int expected = 1;
    for (const MigrationFile& file : scope.files) {
        if (file.version < expected) {
            throw MigrationError{(scope.dir / file.name).string() + ": number " +
                                 std::to_string(file.version) +
                                 " is used twice; renumber the newer file"};
        }
        if (file.version > expected) {
            throw MigrationError{(scope.dir / file.name).string() + ": number " +
                                 std::to_string(expected) +
                                 " is missing before it; restore that file or renumber this one"};
        }
        ++expected;
    }
}

}  // namespace

Scope read_scope(const std::filesystem::path& dir) {
    static const std::regex pattern{R"((\d{4})_[a-z0-9_]+\.sql)"};
    std::filesystem::path trimmed = dir.lexically_normal();
    if (!trimmed.has_filename()) trimmed = trimmed.parent_path();
    Scope scope{trimmed.filename().string(), dir, {}};
    if (!std::filesystem::is_directory(dir)) {
        throw MigrationError{dir.string() + ": is no directory; give one with files NNNN_name.sql"};
    }
    for (const auto& entry : std::filesystem::directory_iterator{dir}) {
        if (entry.path().extension() != ".sql") continue;
        const std::string name = entry.path().filename().string();
        std::smatch match;
        if (!std::regex_match(name, match, pattern)) {
            throw MigrationError{entry.path().string() +
                                 ": is no migration's name; rename it to NNNN_lower_case.sql"};
        }
        scope.files.push_back({std::stoi(match[1]), name, contents(entry.path())});
    }
    std::ranges::sort(scope.files, {}, &MigrationFile::name);
    if (scope.files.empty()) {
        throw MigrationError{dir.string() + ": holds no migrations (files NNNN_name.sql)"};
    }
    check_numbering(scope);
    return scope;
}

}  // namespace schema
