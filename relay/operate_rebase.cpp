// What a rebase would repeat, and what may be missing, event by event: the command "rebase".
#include <algorithm>
#include <chrono>
#include <format>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "faults.hpp"
#include "relay/config.hpp"
#include "relay/kafka_log.hpp"
#include "relay/operate.hpp"
#include "relay/table_text.hpp"

namespace relay {
namespace {

// Ten minutes: for what was on its way to Kafka, and clocks that differ.
constexpr auto start_sql = R"(
select case $2 when 'all' then '1:1:' when 'now' then pg_current_snapshot()::text
            when 'recorded' then p.lower::text else $2 end::pg_snapshot, b.since,
       (extract(epoch from b.since) * 1000)::bigint, outbox.position_since(p.shard),
       (select l.holder from outbox.lease l where l.shard = p.shard and l.expires_at > clock_timestamp())
from outbox.current_position p
cross join lateral (
    select coalesce(nullif($3, '')::timestamptz, outbox.position_since(p.shard) - interval '10 minutes') as since) b
where p.shard = $1::int)";
constexpr auto types_sql = "select distinct aggregatetype, type from outbox.event";
constexpr auto make_table_sql = R"(
create temp table kafka_event (id uuid, key text, type text, topic text, partition int, "offset" bigint,
                               at timestamptz))";
constexpr auto keep_sql = R"(
insert into pg_temp.kafka_event
select k.id, k.key, k.type, k.topic, k.partition, k."offset", to_timestamp(k.at / 1000.0)
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::bigint[])
     k (id, key, type, topic, partition, "offset", at))";

// Of shard {0}, from snapshot {1}, with Kafka asked or not, {2}. A record that is older than all
// that is kept, and than the position, is of an event that retention has removed.
constexpr auto judged_sql = R"(
with seen as (select distinct on (k.id) k.* from pg_temp.kafka_event k order by k.id, k.at),
judged as (
    select case when e.id is null then 'missing'
                when e.state = 'published' then case when not e.left_out then 'repeated' end
                when k.id is not null then case when e.state = 'delayed' or not e.left_out then 'repeated' end
                when e.state = 'pending' and e.left_out then 'skipped'
                when not {2} and (e.state = 'delayed' or not e.left_out) then 'unknown' end as outcome,
           coalesce(e.id, k.id) as id, e.seq, e.aggregatetype, coalesce(e.key, k.key) as key,
           coalesce(e.type, k.type) as type, e.created_at, k.topic, k.partition, k."offset", k.at as published_at,
           e.left_out
    from outbox.rebase_events({0}, '{1}') e full join seen k on k.id = e.id
    where e.id is not null
       or (outbox.shard_of(k.key, (select l.shards from outbox.lease l where l.shard = {0})) = {0}
           and k.at >= least(outbox.position_since({0}),
                             (select o.created_at from outbox.event o order by o.seq limit 1)))
))";
constexpr auto count_sql = R"(
select '{1}'::pg_snapshot as snapshot, count(*) filter (where outcome = 'repeated') as repeated,
       count(*) filter (where outcome = 'skipped') as skipped,
       case when {2} then count(*) filter (where outcome = 'missing') end as missing,
       case when not {2} then count(*) filter (where outcome = 'unknown') end as unknown,
       count(*) filter (where not left_out) as to_publish
from judged)";
constexpr auto list_sql = R"(
select outcome, id, seq, aggregatetype, key, type, created_at, topic, partition, "offset", published_at
from judged where outcome is not null
order by array_position(array['missing', 'skipped', 'unknown', 'repeated'], outcome), seq, published_at, id)";
constexpr auto rebase_sql = "select * from outbox.rebase($1::int, $2::pg_snapshot)";

constexpr auto legend = R"(
repeated  was published, and is published again: inboxes suppress it
skipped   is not published, and never will be
)";
constexpr auto kafka_legend =
    R"(missing   Kafka has it, and this database does not: consumers know of it
)";
constexpr auto no_kafka_legend =
    R"(unknown   is published; for the second time if it was published after the position was recorded
Kafka was not asked, so that this is by the position alone, recorded {}. What Kafka was given since, and
this database has lost, is not listed. To have it compared: --kafka-brokers HOSTS, or --config FILE of the relay
)";

// Keeps what Kafka has in a table of the session's own: the tail of a topic may be long.
class Keeper {
public:
    explicit Keeper(Connection& connection) : connection_{connection} {}
    void add(const KafkaLog::Event& event) {
        events_.push_back(event);
        if (events_.size() == 1000) flush();
    }
    void flush() {
        const auto all = [this](auto member) {
            std::vector<std::string> values;
            values.reserve(events_.size());
            for (const auto& event : events_) values.push_back(text(event.*member));
            return as_array(values);
        };
        using Event = KafkaLog::Event;
        connection_.run(keep_sql,
                        {all(&Event::id), all(&Event::key), all(&Event::type), all(&Event::topic),
                         all(&Event::partition), all(&Event::offset), all(&Event::at)});
        events_.clear();
    }

private:
    static std::string text(std::string value) { return value; }
    static std::string text(std::integral auto value) { return std::to_string(value); }
    static std::string text(std::chrono::milliseconds value) {
        return std::to_string(value.count());
    }
    Connection& connection_;
    std::vector<KafkaLog::Event> events_;
};

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? "none" : text;
}

}  // namespace

void Operate::add_rebase(CLI::App& app) {
    auto& command =
        add(app, "rebase", "Move a position by hand: after a failover, restore or dump",
            "rebase --shard 0 --from recorded --dry-run --config /etc/postroom/billing.toml",
            [this] { return rebase(); });
    add_shard(command);
    command.get_option("--shard")->required();
    command
        .add_option("--from", from_,
                    "publish what is not visible in this snapshot: all (repeats all of the "
                    "history), now (skips what is there), recorded (goes on from the position's "
                    "own), or one such as 1000:1003:1001")
        ->required();
    command.add_flag("--dry-run", dry_run_, "only tell which events it would repeat and skip");
    command.add_flag("--yes", yes_, "do it");
    command
        .add_option("--kafka-brokers", rebase_.brokers,
                    "host:port,…: compare with what Kafka has, and tell what is missing here")
        ->envname("POSTROOM_KAFKA_BROKERS");
    command
        .add_option("--config", rebase_.config,
                    "compare with Kafka as the relay of this TOML file reaches it")
        ->check(CLI::ExistingFile);
    command.add_option("--database", rebase_.database, "of [[databases]] in that file, this one");
    command.add_option("--topic", rebase_.topics,
                       "compare with this topic, too; repeatable (default: those that the kept "
                       "events go to)");
    command.add_option("--since", rebase_.since,
                       "compare with what Kafka has from this time on (default: ten minutes before "
                       "the position was recorded)");
    add_limit(command);
}

Settings Operate::kafka_settings() const {
    Values given{{"admin.token_file", ""}, {"admin.dsn_file", ""}};
    if (!rebase_.brokers.empty()) given["kafka.brokers"] = rebase_.brokers;
    auto values = read_config(rebase_.config, given);
    if (std::ranges::none_of(values,
                             [](const auto& v) { return v.first.starts_with(databases_prefix); })) {
        values["database.dsn"] = "dbname=any";  // this session's is another role's
        values["database.dsn_file"] = "";
    }
    const auto all = to_databases(values);
    for (const auto& one : all)
        if (all.size() == 1 || one.database == rebase_.database) return one;
    throw std::invalid_argument{rebase_.config +
                                " has several databases: name this one with --database"};
}

// Compares with the topics that this database's events go to; those of the same pattern may be
// another's.
Operate::Compared Operate::read_kafka(Connection& connection, std::chrono::milliseconds since) {
    const auto settings = kafka_settings();
    const auto& routing = settings.kafka.routing;
    Compared compared{.topics = rebase_.topics, .others = {}};
    const auto types = connection.run(types_sql);
    for (int row = 0; row < types.rows(); ++row)
        compared.topics.push_back(routing.topic(routing.parts(types.at(row, 0), types.at(row, 1))));
    std::ranges::sort(compared.topics);
    const auto twice = std::ranges::unique(compared.topics);
    compared.topics.erase(twice.begin(), twice.end());
    const KafkaLog log{settings.kafka};
    for (const auto& topic : log.topics())
        if (routing.may_lead_to(topic) && !std::ranges::binary_search(compared.topics, topic))
            compared.others.push_back(topic);
    Keeper keeper{connection};
    log.read(compared.topics, since, [&](const KafkaLog::Event& event) {
        if (!faults::mutant("report_by_position")) keeper.add(event);
    });
    keeper.flush();
    return compared;
}

int Operate::rebase() {
    auto connection = connect();
    const auto shard = shard_.value_or(0);
    const auto start = connection.run(start_sql, {std::to_string(shard), from_, rebase_.since});
    if (start.rows() == 0)
        throw std::runtime_error{"there is no shard " + std::to_string(shard) +
                                 ". See them: postroom lag"};
    connection.run(make_table_sql);
    std::optional<Compared> compared;
    if (!rebase_.config.empty() || !rebase_.brokers.empty())
        compared = read_kafka(connection, std::chrono::milliseconds{start.number(0, 2)});
    connection.run("analyze pg_temp.kafka_event");
    // A cursor takes no parameters: a snapshot holds digits, colons and commas only.
    const std::string snapshot{start.at(0, 0)};
    const bool asked = compared.has_value();
    const auto make = [&](const char* sql) {
        return std::vformat(std::string{judged_sql} + sql,
                            std::make_format_args(shard, snapshot, asked));
    };
    connection.run("begin isolation level repeatable read");
    const auto counts = connection.run(make(count_sql));
    connection.run("declare listed cursor for " + make(list_sql));
    const Effect effect{start, counts, compared};
    format_ == "json" ? show_as_json(connection, effect) : show_as_table(connection, effect);
    connection.run("commit");
    if (dry_run_) return 0;
    if (!yes_)
        throw std::runtime_error{
            "nothing is changed yet: that is what it would do. Say --yes to do it"};
    connection.run(rebase_sql, {std::to_string(shard), snapshot});
    return 0;
}

// All of the events, some at a time.
void Operate::show_as_json(Connection& connection, const Effect& effect) {
    nlohmann::json kafka;
    if (effect.compared)
        kafka = {{"since", std::string{effect.start.at(0, 1)}},
                 {"topics", effect.compared->topics},
                 {"not_compared", effect.compared->others}};
    auto head = as_json(effect.counts);
    head.resize(head.size() - std::string_view{"}\n]\n"}.size());
    std::cout << head << R"(, "position_recorded_at": )"
              << nlohmann::json(std::string{effect.start.at(0, 3)}).dump() << R"(, "kafka": )"
              << kafka.dump() << R"(, "events": [)";
    constexpr std::string_view end{"\n]\n"};
    for (bool first = true;; first = false) {
        const auto rows = connection.run("fetch 1000 from listed");
        if (rows.rows() == 0) break;
        const auto text = as_json(rows);
        std::cout << (first ? "" : ",") << text.substr(1, text.size() - 1 - end.size());
    }
    std::cout << "]}\n]\n";
}

// The first of the events, and how many more there are.
void Operate::show_as_table(Connection& connection, const Effect& effect) const {
    std::cout << as_table(effect.counts);
    const auto rows = connection.run("fetch " + std::to_string(limit_) + " from listed");
    if (rows.rows() > 0) {
        std::cout << '\n' << as_table(rows);
        const auto rest = connection.run("move all in listed");
        if (const std::string more = PQcmdTuples(rest.get()); more != "0")
            std::cout << "… and " << more << " more: -o json lists them all\n";
    }
    std::cout << legend;
    if (effect.compared) {
        std::cout << kafka_legend << "Compared with Kafka from " << effect.start.at(0, 1)
                  << " on; topics: " << joined(effect.compared->topics) << '\n';
        if (!effect.compared->others.empty())
            std::cout << "Not compared, as no event that is kept here goes there: "
                      << joined(effect.compared->others)
                      << ". If one is this database's: --topic\n";
    } else {
        const auto recorded_at = effect.start.at(0, 3);
        std::cout << std::vformat(no_kafka_legend, std::make_format_args(recorded_at));
    }
    if (!effect.start.null(0, 4))
        std::cout << "A relay is publishing this shard: " << effect.start.at(0, 4)
                  << ". Stop it first, or all this may be out of date at once\n";
}

}  // namespace relay
