#include "relay/config.hpp"

namespace relay {
namespace {

std::string spelled(std::string name, char separator, bool upper) {
    for (char& c : name) {
        if (c == '.' || c == '_') c = separator;
        if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return name;
}

}  // namespace

std::string Option::flag() const { return "--" + spelled(name, '-', false); }
std::string Option::environment() const { return "POSTROOM_" + spelled(name, '_', true); }

const std::vector<Option>& options() {
    static const std::vector<Option> all{
        {"database.dsn", "", "libpq connection string of a role in postroom_relay", true},
        {"database.dsn_file", "", "read database.dsn from the first line of this file"},
        {"database.name", "",
         "label 'database' of the metrics (default: the connection string's dbname)"},
        {"kafka.brokers", "", "bootstrap servers, host:port,…"},
        {"kafka.topic", "outbox.event.{aggregatetype}",
         "of an event, made of {aggregatetype} and {type}; [kafka.topics] names one for a type of "
         "its own. Keys keep their order within a topic, not across"},
        {"kafka.format", "plain",
         "of messages: plain, cloudevents_binary, cloudevents_structured or debezium"},
        {"kafka.source", "", "ce_source of CloudEvents (default: /postroom/ and the database)"},
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
        {"relay.shards", "all",
         "all: a fair share of them, beside other relays; or only these: 0,2"},
        {"relay.lease_ms", "5000", "how long a dead relay keeps its successor waiting"},
        {"relay.poll_ms", "1", "between polls while awake, at least"},
        {"relay.idle_ms", "1000", "without events for this long it sleeps until rung"},
        {"relay.stall_ms", "60000",
         "without progress at Kafka for this long the producer is replaced"},
        {"relay.stop_ms", "10000", "for a graceful stop to deliver what is queued"},
        {"relay.window_rows", "5000", "larger windows are read in chunks by COPY"},
        {"relay.source", "table",
         "table: snapshot differences; or logical: a replication slot, in the order of commits"},
        {"relay.slot", "", "the logical source's (default: postroom_<database's oid>_<shard>)"},
        {"relay.stop_when_drained", "false", "exit 0 once nothing is pending"},
        {"admin.listen", "127.0.0.1:9464",
         "host:port of /livez /readyz /metrics /admin; port 0 picks one, empty is off"},
        {"admin.token", "", "what /admin asks for as Authorization: Bearer; without it, off", true},
        {"admin.token_file", "", "read admin.token from the first line of this file"},
        {"admin.dsn", "",
         "as whom /admin acts: a role in postroom_operator (default: database.dsn, looks only)",
         true},
        {"admin.dsn_file", "", "read admin.dsn from the first line of this file"},
        {"tracing.otlp_endpoint", "",
         "OTLP/HTTP collector to send spans to, http://HOST:4318; empty is off"},
        {"log.level", "info", "debug, info, warn or error"},
    };
    return all;
}

}  // namespace relay
