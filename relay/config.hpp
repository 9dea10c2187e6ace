// Reads the settings: defaults < TOML file < environment < flags, checked whole.
//
// Every setting has one name, section.key: in TOML [section] key, as a flag --section-key, in the
// environment POSTROOM_SECTION_KEY. Unknown names in a file are refused, with the nearest known
// one.
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
// What follows it is a property of librdkafka's, under its own name.
inline constexpr std::string_view properties_prefix = "kafka.properties.";

// Option name to text, all sources merged. Throws std::invalid_argument naming every fault found.
using Values = std::map<std::string, std::string>;
Values read_config(const std::string& file, const Values& flags);

// Of a file that holds a secret. Throws std::invalid_argument when there is none.
std::string first_line(const std::string& file);

// Throws std::invalid_argument naming every fault found.
Settings to_settings(const Values& values);

// The values as TOML, secrets redacted.
std::string print_config(const Values& values);

}  // namespace relay
