#include "relay/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <numeric>
#include <regex>
#include <stdexcept>
#include <toml++/toml.hpp>

namespace relay {
namespace {

constexpr std::string_view properties_prefix = "kafka.properties.";

std::string spelled(std::string name, char separator, bool upper) {
    for (char& c : name) {
        if (c == '.' || c == '_') c = separator;
        if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return name;
}

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

void read_toml(const std::string& file, Values& values, std::string& faults) {
    toml::table document;
    try {
        document = toml::parse_file(file);
    } catch (const toml::parse_error& error) {
        throw std::invalid_argument{file + ":" + std::to_string(error.source().begin.line) + ": " +
                                    std::string{error.description()}};
    }
    const auto visit = [&](auto& self, const toml::table& table,
                           const std::string& prefix) -> void {
        for (const auto& [key, node] : table) {
            const auto name = prefix + std::string{key.str()};
            if (const auto* inner = node.as_table()) {
                self(self, *inner, name + ".");
                continue;
            }
            const bool known =
                name.starts_with(properties_prefix) ||
                std::ranges::any_of(options(), [&](const Option& o) { return o.name == name; });
            if (!known) {
                faults += file + ": unknown setting '" + name + "'; did you mean '" +
                          nearest(name) + "'?\n";
            } else if (const auto text = node.value<std::string>()) {
                values[name] = *text;
            } else if (const auto number = node.value_exact<std::int64_t>()) {
                values[name] = std::to_string(*number);
            } else if (const auto truth = node.value_exact<bool>()) {
                values[name] = *truth ? "true" : "false";
            } else {
                faults += file + ": '" + name + "' must be a string, an integer or true/false\n";
            }
        }
    };
    visit(visit, document, "");
}

// Takes values out of the map as what they have to be, and keeps the faults.
class Reader {
public:
    explicit Reader(const Values& values) : values_{values} {}

    const std::string& text(const char* name) const { return values_.at(name); }

    long number(const char* name, long least, long most) {
        const auto& value = text(name);
        long result{};
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), result);
        if (error != std::errc{} || end != value.data() + value.size() || result < least ||
            result > most)
            faults += std::string{name} + " = '" + value + "' must be an integer from " +
                      std::to_string(least) + " to " + std::to_string(most) + "\n";
        return result;
    }
    std::chrono::milliseconds time(const char* name, long least, long most) {
        return std::chrono::milliseconds{number(name, least, most)};
    }
    bool truth(const char* name) {
        if (text(name) != "true" && text(name) != "false")
            faults += std::string{name} + " = '" + text(name) + "' must be true or false\n";
        return text(name) == "true";
    }
    void need(const char* name) {
        if (!text(name).empty()) return;
        const auto option = std::ranges::find(options(), name, &Option::name);
        faults += std::string{name} + " is missing: give " + option->flag() + ", set " +
                  option->environment() + ", or write it into the file\n";
    }

    std::string faults;

private:
    const Values& values_;
};

}  // namespace

std::string Option::flag() const { return "--" + spelled(name, '-', false); }
std::string Option::environment() const { return "POSTROOM_" + spelled(name, '_', true); }

const std::vector<Option>& options() {
    static const std::vector<Option> all{
        {"database.dsn", "", "libpq connection string of a role in postroom_relay", true},
        {"database.dsn_file", "", "read database.dsn from the first line of this file"},
        {"kafka.brokers", "", "bootstrap servers, host:port,…"},
        {"kafka.topic_prefix", "outbox.event.", "topic = prefix + aggregatetype"},
        {"kafka.partitions", "3", "of topics that the relay creates"},
        {"kafka.replication", "1", "of topics that the relay creates"},
        {"kafka.create_topics", "true",
         "create missing topics; otherwise their events are dead letters"},
        {"kafka.compression", "lz4", "none, gzip, snappy, lz4 or zstd"},
        {"kafka.position_topic_prefix", "postroom.position.",
         "of the topics that hold exactly_once's positions, one a shard"},
        {"relay.delivery", "at_least_once",
         "at_least_once, or exactly_once: by Kafka transactions, for read_committed consumers"},
        {"relay.holder", "", "name in outbox.lease (default: host and process id)"},
        {"relay.lease_ms", "5000", "how long a dead relay keeps its successor waiting"},
        {"relay.poll_ms", "1", "between polls while awake"},
        {"relay.idle_ms", "1000", "without events for this long it sleeps until rung"},
        {"relay.stall_ms", "60000",
         "without progress at Kafka for this long the producer is replaced"},
        {"relay.stop_ms", "10000", "for a graceful stop to deliver what is queued"},
        {"relay.window_rows", "5000", "larger windows are read in chunks by COPY"},
        {"relay.stop_when_drained", "false", "exit 0 once nothing is pending"},
        {"admin.listen", "127.0.0.1:9464",
         "host:port of /livez /readyz /metrics; port 0 picks one, empty is off"},
        {"log.level", "info", "debug, info, warn or error"},
    };
    return all;
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

std::string first_line(const std::string& file) {
    std::ifstream in{file};
    std::string line;
    if (!std::getline(in, line)) throw std::invalid_argument{"cannot read '" + file + "'"};
    return line;
}

Settings to_settings(const Values& values) {
    Reader read{values};
    Settings settings;
    settings.dsn = read.text("database.dsn");
    if (settings.dsn.empty() && !read.text("database.dsn_file").empty())
        settings.dsn = first_line(read.text("database.dsn_file"));
    if (settings.dsn.empty()) read.need("database.dsn");
    read.need("kafka.brokers");
    settings.kafka.brokers = read.text("kafka.brokers");
    settings.kafka.topic_prefix = read.text("kafka.topic_prefix");
    settings.kafka.partitions = static_cast<int>(read.number("kafka.partitions", 1, 10'000));
    settings.kafka.replication = static_cast<int>(read.number("kafka.replication", 1, 100));
    settings.kafka.create_topics = read.truth("kafka.create_topics");
    settings.kafka.compression = read.text("kafka.compression");
    for (const auto& [name, value] : values) {
        if (name.starts_with(properties_prefix))
            settings.kafka.properties[name.substr(properties_prefix.size())] = value;
    }
    settings.position_topic_prefix = read.text("kafka.position_topic_prefix");
    settings.exactly_once = read.text("relay.delivery") == "exactly_once";
    if (!settings.exactly_once && read.text("relay.delivery") != "at_least_once")
        read.faults += "relay.delivery = '" + read.text("relay.delivery") +
                       "' must be at_least_once or exactly_once\n";
    settings.holder = read.text("relay.holder");
    if (settings.holder.empty()) {
        std::string host(256, '\0');
        ::gethostname(host.data(), host.size() - 1);
        settings.holder = std::string{host.c_str()} + ":" + std::to_string(::getpid());
    }
    settings.lease = read.time("relay.lease_ms", 200, 600'000);
    settings.poll = read.time("relay.poll_ms", 1, 10'000);
    settings.idle = read.time("relay.idle_ms", 0, 3'600'000);
    settings.stall = read.time("relay.stall_ms", 1000, 3'600'000);
    settings.stop = read.time("relay.stop_ms", 0, 600'000);
    settings.window_rows = static_cast<std::size_t>(read.number("relay.window_rows", 1, 100'000));
    settings.stop_when_drained = read.truth("relay.stop_when_drained");
    settings.admin_listen = read.text("admin.listen");
    settings.log_level = read.text("log.level");
    const std::regex level{"debug|info|warn|error"};
    if (!std::regex_match(settings.log_level, level))
        read.faults +=
            "log.level = '" + settings.log_level + "' must be debug, info, warn or error\n";
    if (!read.faults.empty()) throw std::invalid_argument{read.faults};
    return settings;
}

std::string print_config(const Values& values) {
    toml::table document;
    for (const auto& [name, value] : values) {
        const auto option = std::ranges::find(options(), name, &Option::name);
        const bool secret = (option != options().end() && option->secret) ||
                            name.find("password") != std::string::npos || name.ends_with(".key") ||
                            name.find("secret") != std::string::npos;
        const auto section = name.starts_with(properties_prefix) ? std::string{"kafka.properties"}
                                                                 : name.substr(0, name.find('.'));
        toml::table* table = &document;
        for (const std::string& step : section == "kafka.properties"
                                           ? std::vector<std::string>{"kafka", "properties"}
                                           : std::vector<std::string>{section})
            table = table->insert(step, toml::table{}).first->second.as_table();
        table->insert_or_assign(name.substr(section.size() + 1),
                                secret && !value.empty() ? "<redacted>" : value);
    }
    std::ostringstream out;
    out << document << '\n';
    return out.str();
}

}  // namespace relay
