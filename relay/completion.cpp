#include "relay/completion.hpp"

#include <format>
#include <functional>
#include <map>
#include <string_view>

namespace relay {
namespace {

constexpr std::string_view bash_head = R"(# bash completion of {0}, made by: {0} completion bash
_{0}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command={0} word words=
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$command $word" in
{1})
                command+=" $word" ;;
        esac
    done
    COMPREPLY=()
    case "$command $prev" in
)";
constexpr std::string_view bash_middle = R"(        *)
            case $command in
)";
constexpr std::string_view bash_foot = R"(            esac ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}}
complete -F _{0} {0}
)";
void walk(const Command& command, const std::function<void(const Command&)>& visit) {
    visit(command);
    for (const auto& sub : command.commands) walk(sub, visit);
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : std::string{between}) + word;
    return text;
}

// What bash does for the value of a flag.
std::string bash_action(const Flag& flag) {
    constexpr std::string_view paths = R"(
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen {} -- "$cur")
            return)";
    switch (flag.value) {
        case Flag::Value::file:
            return std::format(paths, "-f");
        case Flag::Value::directory:
            return std::format(paths, "-d");
        default:
            return " words='" + joined(flag.choices, " ") + "'";
    }
}

// In single quotes, inside _arguments's brackets or _describe's colons.
std::string for_zsh(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\'') {
            result += "'\\''";
            continue;
        }
        if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

std::string function_of(const Command& command) {
    std::string name = "_";
    for (const char c : command.path) name += c == ' ' || c == '-' ? '_' : c;
    return name;
}

std::string zsh_values(const Flag& flag) {
    return flag.choices.empty() ? " " : "(" + joined(flag.choices, " ") + ")";
}

std::string zsh_action(const Flag& flag) {
    switch (flag.value) {
        case Flag::Value::none:
            return "";
        case Flag::Value::file:
            return ":file:_files";
        case Flag::Value::directory:
            return ":directory:_files -/";
        case Flag::Value::text:
            break;
    }
    return ":value:" + zsh_values(flag);
}

std::string zsh_function(const Command& command) {
    std::string text = function_of(command) + "() {\n    local line state\n    _arguments -C";
    for (const auto& flag : command.flags) {
        const auto others = flag.is_repeatable ? "*" : "(" + joined(flag.names, " ") + ")";
        for (const auto& name : flag.names)
            text += std::format(" \\\n        '{}{}[{}]{}'", others, name, for_zsh(flag.help),
                                zsh_action(flag));
    }
    for (const auto& positional : command.positionals)
        text += std::format(" \\\n        '{}:{}:{}'", positional.is_repeatable ? "*" : "",
                            positional.names.front(), zsh_values(positional));
    if (command.commands.empty()) return text + "\n}\n";
    text += " \\\n        '1: :->command' '*:: :->rest'\n    case $state in\n        command)\n";
    text += "            local -a commands=(";
    for (const auto& sub : command.commands)
        text += std::format("\n                '{}:{}'", sub.name, for_zsh(sub.help));
    text += ")\n            _describe command commands ;;\n        rest)\n";
    text += "            case $line[1] in\n";
    for (const auto& sub : command.commands)
        text += std::format("                {}) {} ;;\n", sub.name, function_of(sub));
    return text + "            esac ;;\n    esac\n}\n";
}

}  // namespace

std::string bash_completion(const Command& program) {
    std::vector<std::string> paths;
    std::map<std::string, std::vector<std::string>> values;  // by what bash does for them
    std::string words;
    walk(program, [&](const Command& command) {
        if (command.path != program.path) paths.push_back("            '" + command.path + "'");
        std::vector<std::string> known;
        known.reserve(command.commands.size());
        for (const auto& sub : command.commands) known.push_back(sub.name);
        for (const auto& positional : command.positionals)
            known.insert(known.end(), positional.choices.begin(), positional.choices.end());
        for (const auto& flag : command.flags) {
            known.insert(known.end(), flag.names.begin(), flag.names.end());
            if (flag.value == Flag::Value::none) continue;
            for (const auto& name : flag.names)
                values[bash_action(flag)].push_back("        '" + command.path + " " + name + "'");
        }
        words +=
            std::format("                '{}') words='{}' ;;\n", command.path, joined(known, " "));
    });
    constexpr std::string_view or_else = " | \\\n";
    auto text = std::format(bash_head, program.name, joined(paths, or_else));
    for (const auto& [action, patterns] : values)
        text += joined(patterns, or_else) + ")" + action + " ;;\n";
    return text + std::string{bash_middle} + words + std::format(bash_foot, program.name);
}

std::string zsh_completion(const Command& program) {
    auto text = std::format("#compdef {0}\n# Made by: {0} completion zsh\n", program.name);
    walk(program, [&](const Command& command) { text += zsh_function(command); });
    // Called by the completion system, which has found this file by its name, or sourced.
    return text + std::format(
                      "if [[ $funcstack[1] == _{0} ]]; then\n    _{0} \"$@\"\nelse\n"
                      "    compdef _{0} {0}\nfi\n",
                      program.name);
}

}  // namespace relay
