#include "http/kafka_properties.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

namespace http {
namespace {

// Set by flags of their own, or for good.
constexpr std::array<std::string_view, 9> not_theirs{
    "bootstrap.servers",  "metadata.broker.list",          "group.id",
    "enable.auto.commit", "enable.auto.offset.store",      "isolation.level",
    "auto.offset.reset",  "partition.assignment.strategy", "group.protocol"};

std::string trimmed(std::string_view text) {
    constexpr auto blank = " \t\r";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return std::string{text.substr(first, text.find_last_not_of(blank) - first + 1)};
}

bool is_of_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

}  // namespace

std::map<std::string, std::string> kafka_properties(const std::string& flag,
                                                    const std::string& path) {
    std::ifstream file(path);
    if (!file) throw CLI::ValidationError(flag, "cannot read " + path);
    std::map<std::string, std::string> properties;
    int number = 0;
    for (std::string line; std::getline(file, line);) {
        const auto at = path + ":" + std::to_string(++number) + ": ";
        const auto text = trimmed(line);
        if (text.empty() || text.starts_with('#')) continue;
        const auto equals = text.find('=');
        const auto name = trimmed(std::string_view{text}.substr(0, equals));
        // What is no name may be a secret, and is not quoted: "sasl.password: c2VjcmV0PQ=="
        if (equals == std::string::npos || name.empty() || !std::ranges::all_of(name, is_of_name))
            throw CLI::ValidationError(flag, at + "write NAME = VALUE, a property a line");
        if (std::ranges::contains(not_theirs, name))
            throw CLI::ValidationError(flag, at + name + " is the shop's own to set");
        if (!properties.emplace(name, trimmed(std::string_view{text}.substr(equals + 1))).second)
            throw CLI::ValidationError(flag, at + name + " is there twice");
    }
    if (file.bad()) throw CLI::ValidationError(flag, "cannot read " + path);
    // Else a file that was lost or never filled would mean no TLS, in silence.
    if (properties.empty()) throw CLI::ValidationError(flag, path + " has no property");
    return properties;
}

}  // namespace http
