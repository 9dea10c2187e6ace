#include "relay/settings.hpp"

#include <libpq-fe.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <regex>
#include <stdexcept>

#include "relay/config.hpp"

namespace relay {
namespace {

bool parses(const std::string& dsn) {
    const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options{
        PQconninfoParse(dsn.c_str(), nullptr), &PQconninfoFree};
    return options != nullptr;
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
    // The option, or else the first line of the file that the option NAME_file names.
    std::string secret(const std::string& name) const {
        const auto& file = values_.at(name + "_file");
        return values_.at(name).empty() && !file.empty() ? first_line(file) : values_.at(name);
    }
    // libpq quotes what it cannot parse, be it a password: this says no more than that it is wrong.
    std::string connection_string(const std::string& name) {
        auto dsn = secret(name);
        const bool whole = dsn.find('=') != std::string::npos || dsn.starts_with("postgresql://") ||
                           dsn.starts_with("postgres://");
        if (whole && !parses(dsn))
            faults += name + " is no connection string: KEY=VALUE … or postgresql://…\n";
        return dsn;
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

AdminSettings to_admin_settings(Reader& read, const std::string& relay_dsn) {
    constexpr std::size_t least = 16;
    AdminSettings admin{read.text("admin.listen"), read.secret("admin.token"),
                        read.connection_string("admin.dsn")};
    if (!admin.token.empty() && admin.token.size() < least)
        read.faults += "admin.token must have 16 characters or more\n";
    if (admin.dsn.empty()) admin.dsn = relay_dsn;
    return admin;
}

}  // namespace

std::string first_line(const std::string& file) {
    std::ifstream in{file};
    std::string line;
    if (!std::getline(in, line)) throw std::invalid_argument{"cannot read '" + file + "'"};
    return line;
}

Settings to_settings(const Values& values) {
    Reader read{values};
    Settings settings;
    settings.dsn = read.connection_string("database.dsn");
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
    settings.admin = to_admin_settings(read, settings.dsn);
    settings.otlp_endpoint = read.text("tracing.otlp_endpoint");
    if (!settings.otlp_endpoint.empty() && !settings.otlp_endpoint.starts_with("http://") &&
        !settings.otlp_endpoint.starts_with("https://"))
        read.faults += "tracing.otlp_endpoint must begin with http:// or https://\n";
    settings.log_level = read.text("log.level");
    const std::regex level{"debug|info|warn|error"};
    if (!std::regex_match(settings.log_level, level))
        read.faults +=
            "log.level = '" + settings.log_level + "' must be debug, info, warn or error\n";
    if (!read.faults.empty()) throw std::invalid_argument{read.faults};
    return settings;
}

}  // namespace relay
