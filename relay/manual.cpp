#include "relay/manual.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <string_view>

namespace relay {
namespace {

constexpr std::string_view about = R"(.SH DESCRIPTION
A service appends its events to the table outbox.event in the transaction
that writes its rows.
.B postroom relay
publishes every committed event to Kafka, at least once and in order per
key, or exactly once to a read_committed consumer.
The other commands bring the schema up to date, look at what is going on,
and deal with events that Kafka refused.
They are SQL that any client may call: to look, the roles postroom_reader
and postroom_operator; to change, postroom_operator.
.PP
Each setting of the relay is a flag, an environment variable and a line of
a TOML file alike.
A flag counts for more than the environment, and that for more than the
file.
Properties of librdkafka go into the file's section [kafka.properties],
under their own names.
)";
constexpr std::string_view back_matter = R"(.SH EXIT STATUS
.TP
.B 0
All is well.
.TP
.B 1
An error, or settings that are not sound; standard error says what it is
and what to do.
.TP
.B 2
.BR "postroom status" " or " "postroom explain"
found a problem.
.SH FILES
.TP
.I /etc/postroom/NAME.toml
Settings of the relay that the unit postroom\-relay@NAME.service runs.
.TP
.I /etc/postroom/NAME.dsn
The first line is its connection string.
.TP
.I /usr/share/postroom/schema/outbox
The migrations that
.B postroom migrate
applies.
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
The relay delivers what is queued, within relay.stop_ms, gives the lease
back and ends with 0.
.SH SEE ALSO
.BR psql (1),
.BR systemctl (1)
)";

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\\') {
            result += "\\e";
        } else if (c == '-') {
            result += "\\-";
        } else {
            result += c;
        }
    }
    return result.starts_with('.') || result.starts_with('\'') ? "\\&" + result : result;
}

// Text in lines of a width that a terminal shows, as roff's sources have it.
std::string filled(std::string_view text) {
    constexpr std::size_t width = 76;
    std::string result;
    std::size_t column = 0;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        const auto shown = escaped(word);
        if (column > 0) {
            const bool fits = column + 1 + shown.size() <= width;
            result += fits ? ' ' : '\n';
            column = fits ? column + 1 : 0;
        }
        result += shown;
        column += shown.size();
    }
    return result;
}

std::string label(const Flag& flag) {
    std::string text;
    for (const auto& name : flag.names)
        text += (text.empty() ? "\\fB" : ", \\fB") + escaped(name) + "\\fR";
    if (!flag.choices.empty()) {
        std::string all;
        for (const auto& choice : flag.choices) all += (all.empty() ? "" : "|") + choice;
        return text + " " + escaped(all);
    }
    switch (flag.value) {
        case Flag::Value::none:
            return text;
        case Flag::Value::file:
            return text + " \\fIFILE\\fR";
        case Flag::Value::directory:
            return text + " \\fIDIRECTORY\\fR";
        case Flag::Value::text:
            return text + " \\fIVALUE\\fR";
    }
    return text;
}

std::string entry(const Flag& flag) {
    auto help = flag.help;
    if (!flag.environment.empty()) help += " [" + flag.environment + "]";
    if (!flag.fallback.empty()) help += ", default " + flag.fallback;
    return ".TP\n" + label(flag) + "\n" + filled(help) + "\n";
}

bool is_help(const Flag& flag) { return flag.names.back() == "--help"; }

// A command's section, and those below it; a group that does nothing itself has none. Options that
// another command has just so are told once.
void add(const Command& command, std::map<std::string, std::string>& told, std::string& text) {
    if (command.commands.empty() || !command.example.empty()) {
        text += ".SS " + escaped(command.path.substr(command.path.find(' ') + 1));
        for (const auto& positional : command.positionals)
            text += " " + positional.names.front() + (positional.is_repeatable ? "..." : "");
        text += "\n" + filled(command.help) + ".\n";
        std::string options;
        for (const auto& flag : command.flags)
            if (!is_help(flag)) options += entry(flag);
        const auto [first, is_new] = told.emplace(options, command.path);
        if (is_new) {
            text += options;
        } else if (!options.empty()) {
            text += ".PP\nOptions: as of\n.BR \"" + escaped(first->second) + "\" .\n";
        }
        if (!command.example.empty())
            text += ".PP\n.nf\n.RS\n" + escaped(command.example) + "\n.RE\n.fi\n";
    }
    for (const auto& sub : command.commands) add(sub, told, text);
}

}  // namespace

std::string manual(const Command& program, const std::string& version,
                   std::chrono::year_month_day date) {
    const auto& name = program.name;
    const auto colon = program.help.find(": ");
    auto text =
        std::format(".TH POSTROOM 1 {:%F} \"{} {}\" \"User Commands\"\n", date, name, version);
    text += ".SH NAME\n" + name + " \\- " + escaped(program.help.substr(colon + 2)) + "\n";
    text += ".SH SYNOPSIS\n.B " + name + "\n.I COMMAND\n.RI [ OPTION ...]\n" + std::string{about};
    text += ".SH OPTIONS\n";
    for (const auto& flag : program.flags) text += entry(flag);
    text += ".SH COMMANDS\n";
    std::map<std::string, std::string> told;
    add(program, told, text);
    return text + std::string{back_matter};
}

}  // namespace relay
