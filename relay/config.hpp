// Reads the settings: defaults < TOML file < environment < flags, checked whole.
//
// Every setting has one name, section.key: in TOML [section] key, as a flag --section-key, in the
// environment POSTROOM_SECTION_KEY. Unknown names in a file are refused, those in the environment
// only told of, with the nearest known one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "relay/settings.hpp"

namespace relay {

struct Option {
    std::string name;  // section.key
    std::string fallback;
    std::string help;
    bool secret = false;
    std::string flag() const;         // --section-key
    std::string environment() const;  // POSTROOM_SECTION_KEY
};

const std::vector<Option>& options();
// Sections whose names are not ours, given in a file only: librdkafka's properties, and the topics
// of events by their type.
inline constexpr std::string_view properties_section = "kafka.properties";
inline constexpr std::string_view topics_section = "kafka.topics";
// The one that a value's name is in, or empty.
std::string_view open_section(std::string_view name);

// Option name to text, all sources merged. Throws std::invalid_argument naming every fault found.
using Values = std::map<std::string, std::string>;
Values read_config(const std::string& file, const Values& flags);

// What the environment holds that looks like a setting and is none, left over or misspelt: a
// sentence each, with the nearest that there is. Not refused, as others name variables as well:
// those that Kubernetes makes of a service "postroom" begin with POSTROOM_.
std::vector<std::string> strange_environment();

// Of a file that holds a secret. Throws std::invalid_argument when there is none.
std::string first_line(const std::string& file);

// The settings of one database. Throws std::invalid_argument naming every fault found.
Settings to_settings(const Values& values);

// Several databases, each a table [[databases]] of the file: name, dsn or dsn_file, and optionally
// topic and an admin_dsn or admin_dsn_file; all else is common. As values they are
// databases.NAME.KEY.
inline constexpr std::string_view databases_prefix = "databases.";
// The settings of each of them, or of the only one. Throws likewise.
std::vector<Settings> to_databases(const Values& values);

// The values as TOML, secrets redacted.
std::string print_config(const Values& values);

}  // namespace relay
