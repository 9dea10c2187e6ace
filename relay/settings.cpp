#include "relay/settings.hpp"

#include <libpq-fe.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>

#include "relay/config.hpp"

namespace relay {
namespace {

bool parses(const std::string& dsn) {
    const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options{
        PQconninfoParse(dsn.c_str(), nullptr), &PQconninfoFree};
    return options != nullptr;
}

constexpr std::array<std::string_view, 5> compressions{"none", "gzip", "snappy", "lz4", "zstd"};
constexpr std::array<std::string_view, 2> deliveries{"at_least_once", "exactly_once"};
constexpr std::array<std::string_view, 4> log_levels{"debug", "info", "warn", "error"};

bool is_uri_reference(std::string_view text) {  // by its characters: RFC 3986, section 2
    return std::ranges::all_of(text, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view{"-._~:/?#[]@!$&'()*+,;=%"}.contains(c);
    });
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
    // The one of these that it is, as an index.
    std::size_t one_of(const char* name, std::span<const std::string_view> known) {
        const auto found = std::ranges::find(known, text(name));
        if (found != known.end()) return static_cast<std::size_t>(found - known.begin());
        faults += std::string{name} + " = '" + text(name) + "' must be ";
        for (std::size_t i = 0; i < known.size(); ++i)
            (faults += known[i]) += i + 2 < known.size()   ? ", "
                                    : i + 1 < known.size() ? " or "
                                                           : "\n";
        return 0;
    }
    std::map<std::string, std::string, std::less<>> section(std::string_view section) const {
        std::map<std::string, std::string, std::less<>> all;
        for (const auto& [name, value] : values_) {
            if (open_section(name) == section) all[name.substr(section.size() + 1)] = value;
        }
        return all;
    }
    std::set<int> shards(const char* name) {
        std::set<int> result;
        const auto& value = text(name);
        if (value == "all") return result;
        std::istringstream in{value};
        for (std::string one; std::getline(in, one, ',');) {
            int shard = -1;
            const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), shard);
            if (error != std::errc{} || end != one.data() + one.size() || shard < 0 || shard > 63)
                result.clear();
            else
                result.insert(shard);
            if (result.empty()) break;
        }
        if (result.empty())
            faults += std::string{name} + " = '" + value +
                      "' must be all, or numbers from 0 to 63 with commas between\n";
        return result;
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

AdminSettings to_admin_settings(Reader& read, const Settings& settings, bool is_alone) {
    constexpr std::size_t least = 16;
    AdminSettings admin{read.text("admin.listen"), read.secret("admin.token"), {}};
    if (!admin.token.empty() && admin.token.size() < least)
        read.faults += "admin.token must have 16 characters or more\n";
    const auto dsn = read.connection_string("admin.dsn");
    if (is_alone) admin.dsns[settings.database] = dsn.empty() ? settings.dsn : dsn;
    if (!is_alone && !dsn.empty())
        read.faults +=
            "with several databases, each has an admin_dsn or admin_dsn_file of its own "
            "instead of admin.dsn\n";
    return admin;
}

// As its server knows it, or would if it had a name for it.
std::string name_of_database(const std::string& dsn) {
    const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options{
        PQconninfoParse(dsn.c_str(), nullptr), &PQconninfoFree};
    for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr;
         ++option) {
        if (option->keyword == std::string_view{"dbname"} && option->val != nullptr)
            return option->val;
    }
    return "default";
}

// One of [[databases]]: what its keys say, or null.
class Entry {
public:
    Entry(const Values& values, const std::string& name)
        : values_{values}, prefix_{std::string{databases_prefix} + name + "."} {}
    const std::string* operator[](const char* key) const {
        const auto found = values_.find(prefix_ + key);
        return found == values_.end() ? nullptr : &found->second;
    }
    // As it stands, or the first line of the file that KEY_file names; else empty.
    std::string secret(const std::string& key) const {
        const auto* file = (*this)[(key + "_file").c_str()];
        const auto* text = (*this)[key.c_str()];
        return file != nullptr ? first_line(*file) : text != nullptr ? *text : std::string{};
    }

private:
    const Values& values_;
    std::string prefix_;
};

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
    const auto several = values.lower_bound(std::string{databases_prefix});
    const bool is_alone = several == values.end() || !several->first.starts_with(databases_prefix);
    if (settings.dsn.empty() && is_alone) read.need("database.dsn");
    if (!settings.dsn.empty() && !is_alone)
        read.faults += "database.dsn and [[databases]] exclude each other\n";
    settings.database = read.text("database.name");
    if (settings.database.empty()) settings.database = name_of_database(settings.dsn);
    read.need("kafka.brokers");
    settings.kafka.brokers = read.text("kafka.brokers");
    try {
        settings.kafka.routing = Routing{read.text("kafka.topic"), read.section(topics_section)};
    } catch (const std::invalid_argument& error) {
        read.faults += error.what();
    }
    settings.kafka.format = static_cast<Format>(read.one_of("kafka.format", format_names));
    settings.kafka.source = read.text("kafka.source");
    if (!is_uri_reference(settings.kafka.source))
        read.faults += "kafka.source = '" + settings.kafka.source + "' must be a URI or its path\n";
    settings.kafka.partitions = static_cast<int>(read.number("kafka.partitions", 1, 10'000));
    settings.kafka.replication = static_cast<int>(read.number("kafka.replication", 1, 100));
    settings.kafka.create_topics = read.truth("kafka.create_topics");
    static_cast<void>(read.one_of("kafka.compression", compressions));
    settings.kafka.compression = read.text("kafka.compression");
    for (const auto& [name, value] : read.section(properties_section))
        settings.kafka.properties[name] = value;
    settings.position_topic_prefix = read.text("kafka.position_topic_prefix");
    settings.exactly_once = read.one_of("relay.delivery", deliveries) == 1;
    settings.holder = read.text("relay.holder");
    if (settings.holder.empty()) {
        std::string host(256, '\0');
        ::gethostname(host.data(), host.size() - 1);
        settings.holder = std::string{host.c_str()} + ":" + std::to_string(::getpid());
    }
    settings.shards = read.shards("relay.shards");
    settings.lease = read.time("relay.lease_ms", 200, 600'000);
    settings.poll = read.time("relay.poll_ms", 1, 10'000);
    settings.idle = read.time("relay.idle_ms", 0, 3'600'000);
    settings.stall = read.time("relay.stall_ms", 1000, 3'600'000);
    settings.stop = read.time("relay.stop_ms", 0, 600'000);
    settings.window_rows = static_cast<std::size_t>(read.number("relay.window_rows", 1, 100'000));
    settings.logical = read.text("relay.source") == "logical";
    if (!settings.logical && read.text("relay.source") != "table")
        read.faults +=
            "relay.source = '" + read.text("relay.source") + "' must be table or logical\n";
    settings.slot = read.text("relay.slot");
    constexpr std::string_view slot_letters = "abcdefghijklmnopqrstuvwxyz0123456789_";
    constexpr std::size_t longest_slot = 63;
    if (settings.slot.size() > longest_slot ||
        settings.slot.find_first_not_of(slot_letters) != std::string::npos)
        read.faults += "relay.slot = '" + settings.slot +
                       "' must be of lower case letters, digits and underscores\n";
    settings.stop_when_drained = read.truth("relay.stop_when_drained");
    settings.admin = to_admin_settings(read, settings, is_alone);
    settings.otlp_endpoint = read.text("tracing.otlp_endpoint");
    if (!settings.otlp_endpoint.empty() && !settings.otlp_endpoint.starts_with("http://") &&
        !settings.otlp_endpoint.starts_with("https://"))
        read.faults += "tracing.otlp_endpoint must begin with http:// or https://\n";
    settings.log_level = read.text("log.level");
    static_cast<void>(read.one_of("log.level", log_levels));
    if (!read.faults.empty()) throw std::invalid_argument{read.faults};
    return settings;
}

std::vector<Settings> to_databases(const Values& values) {
    const auto common = to_settings(values);
    std::set<std::string> names;
    for (const auto& [name, value] : values) {
        if (name.starts_with(databases_prefix))
            names.insert(
                name.substr(databases_prefix.size(), name.rfind('.') - databases_prefix.size()));
    }
    if (names.empty()) return {common};
    auto admin = common.admin;
    std::vector<Settings> all;
    for (const auto& name : names) {
        const Entry entry{values, name};
        auto& settings = all.emplace_back(common);
        settings.database = settings.log_label = name;
        settings.dsn = entry.secret("dsn");
        if (settings.dsn.empty())
            throw std::invalid_argument{"database '" + name + "' has neither dsn nor dsn_file\n"};
        const auto admin_dsn = entry.secret("admin_dsn");
        admin.dsns[name] = admin_dsn.empty() ? settings.dsn : admin_dsn;
        if (const auto* topic = entry["topic"])
            settings.kafka.routing = Routing{*topic, Reader{values}.section(topics_section)};
    }
    for (auto& settings : all) settings.admin = admin;
    return all;
}

}  // namespace relay
