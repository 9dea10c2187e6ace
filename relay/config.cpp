#include "relay/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <toml++/toml.hpp>

#include "faults.hpp"

namespace relay {
namespace {

constexpr std::string_view environment_prefix{"POSTROOM_"};

std::size_t distance(std::string_view a, std::string_view b) {  // Levenshtein's
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto above = row[j];
            row[j] =
                std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row.back();
}

std::string nearest(const std::string& name) {
    const auto& all = options();
    return std::ranges::min_element(all, {},
                                    [&](const Option& o) { return distance(name, o.name); })
        ->name;
}

// Whether it is in one of our sections, or differs little from a setting.
bool is_like_a_setting(std::string_view variable, const Option& option) {
    constexpr std::size_t slip = 3;
    const auto setting = option.environment();
    const auto section =
        std::string_view{setting}.substr(0, setting.find('_', environment_prefix.size()) + 1);
    return variable.starts_with(section) || distance(variable, setting) <= slip;
}

constexpr std::array<std::string_view, 6> database_keys{
    "name", "dsn", "dsn_file", "admin_dsn", "admin_dsn_file", "topic"};

std::string database_key(std::string_view name, std::string_view key) {
    return std::string{databases_prefix}.append(name).append(".").append(key);
}

void read_toml(const std::string& file, Values& values, std::string& faults) {
    toml::table document;
    try {
        document = toml::parse_file(file);
    } catch (const toml::parse_error& error) {
        throw std::invalid_argument{file + ":" + std::to_string(error.source().begin.line) + ": " +
                                    std::string{error.description()}};
    }
    const auto take = [&](const std::string& name, const toml::node& node) {
        if (const auto text = node.value<std::string>()) {
            values[name] = *text;
        } else if (const auto number = node.value_exact<std::int64_t>()) {
            values[name] = std::to_string(*number);
        } else if (const auto truth = node.value_exact<bool>()) {
            values[name] = *truth ? "true" : "false";
        } else {
            faults += file + ": '" + name + "' must be a string, an integer or true/false\n";
        }
    };
    const auto take_database = [&](const toml::node& node) {
        const auto* table = node.as_table();
        const auto name = table != nullptr ? (*table)["name"].value_or(std::string{}) : "";
        if (name.empty() || values.contains(database_key(name, "name"))) {
            faults += file + ": each of [[databases]] needs a name of its own\n";
            return;
        }
        for (const auto& [key, value] : *table) {
            if (std::ranges::find(database_keys, key.str()) == database_keys.end())
                faults +=
                    file + ": unknown setting '" + std::string{key.str()} +
                    "' of a database; known are name, dsn, dsn_file, admin_dsn, admin_dsn_file "
                    "and topic\n";
            else
                take(database_key(name, key.str()), value);
        }
    };
    const auto visit = [&](auto& self, const toml::table& table,
                           const std::string& prefix) -> void {
        for (const auto& [key, node] : table) {
            const auto name = prefix + std::string{key.str()};
            if (const auto* inner = node.as_table()) {
                self(self, *inner, name + ".");
                continue;
            }
            if (const auto* databases = node.as_array(); databases && name == "databases") {
                for (const auto& database : *databases) take_database(database);
                continue;
            }
            const bool known =
                !open_section(name).empty() ||
                std::ranges::any_of(options(), [&](const Option& o) { return o.name == name; });
            if (known)
                take(name, node);
            else
                faults += file + ": unknown setting '" + name + "'; did you mean '" +
                          nearest(name) + "'?\n";
        }
    };
    visit(visit, document, "");
}

}  // namespace

std::string_view open_section(std::string_view name) {
    for (const auto section : {properties_section, topics_section}) {
        if (name.starts_with(section) && name.substr(section.size()).starts_with('.'))
            return section;
    }
    return {};
}

Values read_config(const std::string& file, const Values& flags) {
    Values values;
    std::string faults;
    for (const auto& option : options()) values[option.name] = option.fallback;
    if (!file.empty()) read_toml(file, values, faults);
    for (const auto& option : options()) {
        if (const char* set = std::getenv(option.environment().c_str())) values[option.name] = set;
    }
    for (const auto& [name, value] : flags) values[name] = value;
    if (!faults.empty()) throw std::invalid_argument{faults};
    return values;
}

std::vector<std::string> strange_environment() {
    std::vector<std::string> strange;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text{*entry};
        const std::string variable{text.substr(0, text.find('='))};
        if (!variable.starts_with(environment_prefix) ||
            std::ranges::contains(options(), variable, &Option::environment) ||
            std::ranges::none_of(options(),
                                 [&](const Option& o) { return is_like_a_setting(variable, o); }))
            continue;
        const auto& known = *std::ranges::min_element(
            options(), {}, [&](const Option& o) { return distance(variable, o.environment()); });
        strange.push_back("the environment has " + variable +
                          ", which is no setting and is ignored; did you mean " +
                          known.environment() + "?");
    }
    std::ranges::sort(strange);
    return strange;
}

std::string print_config(const Values& values) {
    toml::table document;
    toml::array databases;
    std::string previous;
    for (const auto& [name, value] : values) {
        if (name.starts_with(databases_prefix)) {
            const auto dot = name.rfind('.');
            if (std::exchange(previous, name.substr(0, dot)) != name.substr(0, dot))
                databases.push_back(toml::table{});
            const auto key = name.substr(dot + 1);
            databases.back().as_table()->insert_or_assign(
                key, key.ends_with("dsn") ? "<redacted>" : value);
            continue;
        }
        const auto option = std::ranges::find(options(), name, &Option::name);
        const auto open = open_section(name);
        const bool secret = (option != options().end() && option->secret) ||
                            (open != topics_section &&
                             (name.find("password") != std::string::npos ||
                              name.ends_with(".key") || name.find("secret") != std::string::npos));
        const auto section = open.empty() ? name.substr(0, name.find('.')) : std::string{open};
        toml::table* table = &document;
        for (const auto step : section | std::views::split('.'))
            table = table->insert(std::string_view{step}, toml::table{}).first->second.as_table();
        table->insert_or_assign(
            name.substr(section.size() + 1),
            secret && !value.empty() && !faults::mutant("shows_secrets") ? "<redacted>" : value);
    }
    if (!databases.empty()) document.insert("databases", std::move(databases));
    std::ostringstream out;
    out << document << '\n';
    return out.str();
}

}  // namespace relay
