// Where the servers and binaries under test are. ./ops/test sets the environment; without it each
// of these throws, so that a test fails rather than passes untested.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace support {

std::string postgres();              // POSTROOM_TEST_PG: a superuser's conninfo, without dbname
std::string kafka();                 // POSTROOM_TEST_KAFKA: bootstrap servers
std::filesystem::path source_dir();  // POSTROOM_SOURCE_DIR: the checkout
std::filesystem::path bin(std::string_view program);  // POSTROOM_BIN/<program>; it must exist

std::string environment(const char* name);  // throws when unset or empty

// A name that no other test run uses: "<prefix>_<pid>_<random>_<n>", fit for databases and topics.
std::string unique_name(std::string_view prefix);

}  // namespace support
