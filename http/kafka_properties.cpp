#include "http/kafka_properties.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

namespace http {
namespace {

// Set by flags of their own, or for good.
constexpr std::array<std::string_view, 7> not_theirs{
    "bootstrap.servers",        "metadata.broker.list", "group.id",         "enable.auto.commit",
    "enable.auto.offset.store", "isolation.level",      "auto.offset.reset"};

std::string trimmed(std::string_view text) {
    constexpr auto blank = " \t\r";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return std::string{text.substr(first, text.find_last_not_of(blank) - first + 1)};
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
        if (equals == std::string::npos || name.empty())
            throw CLI::ValidationError(flag, at + "write NAME = VALUE, a property a line");
        if (std::ranges::contains(not_theirs, name))
            throw CLI::ValidationError(flag, at + name + " is the shop's own to set");
        if (!properties.emplace(name, trimmed(std::string_view{text}.substr(equals + 1))).second)
            throw CLI::ValidationError(flag, at + name + " is there twice");
    }
    return properties;
}

}  // namespace http
