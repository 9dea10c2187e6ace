#include "relay/command_tree.hpp"

#include <string_view>

namespace relay {
namespace {

// CLI11 tells what a value must be by the name of its type: TEXT:{table,json}, TEXT:FILE.
std::vector<std::string> choices(std::string_view type) {
    const auto open = type.find('{');
    if (open == std::string_view::npos) return {};
    std::vector<std::string> all{""};
    for (const char c : type.substr(open + 1, type.find('}') - open - 1)) {
        if (c == ',') {
            all.emplace_back();
        } else {
            all.back() += c;
        }
    }
    return all;
}

Flag::Value value_of(const CLI::Option& option, std::string_view name) {
    if (option.get_items_expected_max() == 0) return Flag::Value::none;
    const auto type = option.get_type_name();
    if (type.ends_with("DIR")) return Flag::Value::directory;
    if (type.ends_with("FILE") || name.ends_with("-file")) return Flag::Value::file;
    return Flag::Value::text;
}

Flag describe(const CLI::Option& option) {
    Flag flag;
    if (option.get_positional()) {
        flag.names = {option.get_name()};
    } else {
        for (const auto& name : option.get_snames()) flag.names.push_back("-" + name);
        for (const auto& name : option.get_lnames()) flag.names.push_back("--" + name);
    }
    flag.help = option.get_description();
    flag.environment = option.get_envname();
    flag.fallback = option.get_default_str();
    flag.choices = choices(option.get_type_name());
    flag.value = value_of(option, flag.names.back());
    flag.is_repeatable = option.get_items_expected_max() > 1;
    return flag;
}

}  // namespace

Command describe(const CLI::App& app, const std::string& parent) {
    constexpr std::string_view introduction = "Example: ";
    const auto footer = app.get_footer();
    Command command{.name = app.get_name(),
                    .path = parent.empty() ? app.get_name() : parent + " " + app.get_name(),
                    .help = app.get_description(),
                    .example = footer.starts_with(introduction) ? footer.substr(introduction.size())
                                                                : std::string{}};
    for (const auto* option : app.get_options())
        (option->get_positional() ? command.positionals : command.flags)
            .push_back(describe(*option));
    for (const auto* sub : app.get_subcommands(std::function<bool(const CLI::App*)>{}))
        command.commands.push_back(describe(*sub, command.path));
    return command;
}

}  // namespace relay
