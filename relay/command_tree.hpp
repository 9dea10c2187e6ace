// The program's commands and options as data, read off the CLI11 app: what its completion and its
// manual are made of, so that neither can name what the program does not know. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace relay {

struct Flag {
    std::vector<std::string> names;  // -o, --output; of a positional, its one name: ID
    std::string help;
    std::string environment;           // the variable that gives it, if that is not in help
    std::string fallback;              // its default, likewise
    std::vector<std::string> choices;  // of its value, if those are all
    enum class Value { none, text, file, directory } value = Value::none;
    bool is_repeatable = false;
};

struct Command {
    std::string name;
    std::string path;  // "postroom dead list"
    std::string help;
    std::string example;  // "" or "postroom …"
    std::vector<Flag> flags = {};
    std::vector<Flag> positionals = {};
    std::vector<Command> commands = {};
};

Command describe(const CLI::App& app, const std::string& parent = "");

}  // namespace relay
