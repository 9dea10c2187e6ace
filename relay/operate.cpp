#include "relay/operate.hpp"

#include <algorithm>
#include <iostream>
#include <utility>

#include "relay/config.hpp"
#include "relay/operator_sql.hpp"
#include "relay/table_text.hpp"

namespace relay {
namespace {

constexpr auto lag_sql = "select * from outbox.lag";
constexpr auto delayed_sql = R"(
select seq, id, aggregatetype, aggregateid as key, type, created_at, available_at,
       date_trunc('milliseconds', due_in) as due_in
from outbox.delayed_event order by available_at, seq limit $1::bigint)";
constexpr auto audit_sql = "select * from outbox.audit order by n desc limit $1::bigint";
constexpr auto dead_sql = R"(
select d.event_id, d.topic, d.aggregateid as key, d.type, d.attempts,
       (select count(*) from outbox.dead w where w.behind = d.event_id) as waiting, d.edited, d.retried_at,
       date_trunc('second', d.age) as age, d.error
from outbox.dead d where d.behind is null order by d.parked_at limit $1::bigint)";

// An event by its id, in a table that is not indexed by it, or by its seq.
constexpr auto event_seq_sql = R"(
select seq from outbox.event
where seq = case when $1 ~ '^[0-9]{1,18}$' then $1::bigint end
union all
select seq from outbox.event
where $1 !~ '^[0-9]{1,18}$' and id = case when $1 !~ '^[0-9]{1,18}$' then $1::uuid end)";
constexpr auto letter_seq_sql = "select seq from outbox.dead_letter where event_id = $1::uuid";
constexpr auto show_sql = R"(
select e.seq, e.id, e.aggregatetype, e.aggregateid as key, e.type, e.created_at, e.tx,
       case when d.resolved_at is null and d.behind is not null then 'waiting'
            when d.resolved_at is null and d.event_id is not null then 'dead'
            when d.resolution is not null then d.resolution
            when exists (select from outbox.published p where p.seq = e.seq) then 'published'
            when e.available_at > clock_timestamp() then 'delayed'
            else 'pending' end as state, e.available_at,
       d.topic, d.error, d.attempts, d.behind, d.parked_at, d.resolved_at,
       e.content_type, e.headers, e.payload, e.body,
       r.event_id is not null as edited, r.content_type as new_content_type, r.headers as new_headers,
       r.payload as new_payload, r.body as new_body
from outbox.event e
left join outbox.dead_letter d on d.event_id = e.id
left join outbox.replacement r on r.event_id = e.id
where e.seq = $1::bigint)";

constexpr auto shards_sql = R"(
select l.shard, l.shards as of, l.holder, l.expires_at > clock_timestamp() as leased, r.shards as wanted,
       case when r.shards is not null then r.barrier is not null and l.arrived is not distinct from l.epoch end
           as arrived
from outbox.lease l left join outbox.resharding r on true where l.shard < l.shards order by l.shard)";
constexpr auto reshard_sql = "select * from outbox.reshard($1::int)";
constexpr auto retry_sql = R"(
select a.* from unnest($1::uuid[]) with ordinality i(id, n)
cross join lateral outbox.retry_dead(i.id) a order by i.n)";
constexpr auto skip_sql = R"(
select a.* from unnest($1::uuid[]) with ordinality i(id, n)
cross join lateral outbox.skip_dead(i.id, $2) a order by i.n)";

std::optional<std::string> text(const std::optional<std::int64_t>& number) {
    return number ? std::optional{std::to_string(*number)} : std::nullopt;
}

// What the server cannot know: which role or schema this program needs.
std::string advice(const PostgresError& error) {
    if (error.sqlstate() == "42501")
        return ". Connect as a member of postroom_operator, or of postroom_reader to look only";
    if (error.sqlstate().starts_with("42") || error.sqlstate() == "3F000")
        return ". If this database is the right one, bring its schema up to date: postroom migrate";
    if (error.sqlstate() == "22P02") return ". See --help for what each option takes";
    return "";
}

}  // namespace

Operate::Operate(CLI::App& app) {
    app.footer(
        "The operator's commands end with 0, with 1 after an error, and status and explain with 2 "
        "when they find a problem.");
    add_views(app);
    add_top(app);
    add_changes(app);
    auto* dead = app.add_subcommand("dead", "Events that Kafka refused: look, retry, skip, edit");
    dead->require_subcommand(1);
    add_dead_letters(*dead);
    add_edit(*dead);
    add_replay(app);
}

CLI::App& Operate::add(CLI::App& parent, const std::string& name, const std::string& help,
                       const std::string& example, std::function<int()> work) {
    auto& command = *parent.add_subcommand(name, help);
    command.footer("Example: postroom " + example);
    command.add_option("--dsn", dsn_, "libpq connection string of a member of postroom_operator")
        ->envname("POSTROOM_DSN");
    command.add_option("--dsn-file", dsn_file_, "read it from the first line of this file")
        ->envname("POSTROOM_DSN_FILE");
    command.add_option("-o,--output", format_, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    command.callback([this, work = std::move(work)] { chosen_ = work; });
    return command;
}

void Operate::add_shard(CLI::App& command) {
    command.add_option("--shard", shard_, "this shard only")->check(CLI::NonNegativeNumber);
}

void Operate::add_limit(CLI::App& command) {
    command.add_option("--limit", limit_, "at most so many rows")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
}

void Operate::add_ids(CLI::App& command, int most) {
    command.add_option("ID", ids_, "the event's id")->required()->expected(1, most);
}

void Operate::add_views(CLI::App& app) {
    add(app, "status", "How each shard is; exit 2 if one has a problem", "status -o json",
        [this] { return judge(status_sql, {}); });
    add(app, "lag", "What waits, for how long, and who publishes", "lag",
        [this] { return list(lag_sql, {}); });
    auto& explain = add(app, "explain", "Why nothing moves, and what to do; exit 2 for a problem",
                        "explain --patience 60",
                        [this] { return judge(explain_sql, {std::to_string(patience_)}); });
    explain
        .add_option("--patience", patience_,
                    "seconds that an event may wait, or a transaction stay open, before it counts")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    add_limit(add(app, "pending", "Committed events that should be published by now and are not",
                  "pending --limit 5",
                  [this] { return list(pending_sql, {std::to_string(limit_)}); }));
    add_limit(add(app, "delayed", "Events that wait for their time, the next one first",
                  "delayed --limit 5",
                  [this] { return list(delayed_sql, {std::to_string(limit_)}); }));
    add_ids(add(app, "show", "One event, whole; ID may also be its seq",
                "show 01931f0e-5c1f-7b6e-a0b4-6c1f1d0e8a11",
                [this] { return show(event_seq_sql, "no such event. See: postroom pending"); }),
            1);
    add_limit(add(app, "audit", "Who did what, and why, the latest first", "audit --limit 10",
                  [this] { return list(audit_sql, {std::to_string(limit_)}); }));
}

void Operate::add_changes(CLI::App& app) {
    auto& pause = add(app, "pause", "Stop publishing within a second, and keep the lease",
                      "pause --reason 'Kafka is being upgraded'",
                      [this] { return list(pause_sql, {reason_, text(shard_)}); });
    pause.add_option("--reason", reason_, "for the audit trail")->required();
    add_shard(pause);
    add_drain(app);
    add_shard(add(app, "resume", "Publish again", "resume --shard 0",
                  [this] { return list(resume_sql, {text(shard_)}); }));
    auto& shards = add(
        app, "shards", "Who publishes which part; with a number, have so many instead", "shards 4",
        [this] { return shards_ ? list(reshard_sql, {text(shards_)}) : list(shards_sql, {}); });
    shards.add_option("NUMBER", shards_, "1 to 64; the number that is there gives a change up")
        ->check(CLI::Range(1, 64));
    add_rebase(app);
}

void Operate::add_dead_letters(CLI::App& dead) {
    add_limit(add(dead, "list", "Those that nobody has resolved, the oldest first",
                  "dead list -o json",
                  [this] { return list(dead_sql, {std::to_string(limit_)}); }));
    add_ids(add(dead, "show", "One of them, whole, with what replaces it", "dead show ID",
                [this] {
                    return show(letter_seq_sql,
                                "it is not dead, nor ever was. See: postroom dead list");
                }),
            1);
    constexpr int many = 10'000;
    add_ids(add(dead, "retry", "Publish again, or what replaces it, then all that waits behind it",
                "dead list --limit 1000 -o json | jq -r '.[].event_id' | xargs postroom dead retry",
                [this] { return list(retry_sql, {as_array(ids_)}); }),
            many);
    auto& skip = add(dead, "skip", "Give up, and publish all that waits behind it",
                     "dead skip ID --reason 'sent by hand'",
                     [this] { return list(skip_sql, {as_array(ids_), reason_}); });
    add_ids(skip, many);
    skip.add_option("--reason", reason_, "for the audit trail")->required();
}

std::optional<int> Operate::run() {
    if (!chosen_) return std::nullopt;
    try {
        return chosen_();
    } catch (const PostgresError& error) {
        throw std::runtime_error{error.plain() + advice(error)};
    }
}

Connection Operate::connect() const {
    if (dsn_.empty() && dsn_file_.empty())
        throw std::invalid_argument{
            "which database? Give --dsn, set POSTROOM_DSN, or name a file: --dsn-file"};
    Connection connection{dsn_.empty() ? first_line(dsn_file_) : dsn_, "postroom operate"};
    // By costs that the views of an empty outbox do not have, it would compile for seconds.
    connection.run("set jit = off");
    return connection;
}

Result Operate::ask(const char* sql, Parameters parameters) const {
    return connect().run(sql, parameters);
}

void Operate::print(const Result& rows) const {
    std::cout << (format_ == "json" ? as_json(rows) : as_table(rows));
}

int Operate::list(const char* sql, Parameters parameters) const {
    print(ask(sql, parameters));
    return 0;
}

// The rows have a level; a problem is what the exit code tells.
int Operate::judge(const char* sql, Parameters parameters) const {
    const auto rows = ask(sql, parameters);
    print(rows);
    const int level = PQfnumber(rows.get(), "level");
    int code = 0;
    for (int row = 0; row < rows.rows(); ++row)
        if (rows.at(row, level) == "problem") code = 2;
    return code;
}

int Operate::show(const char* seq_sql, const std::string& absent) const {
    auto connection = connect();
    const auto seq = connection.run(seq_sql, {ids_.front()});
    if (seq.rows() == 0) throw std::runtime_error{ids_.front() + ": " + absent};
    const auto event = connection.run(show_sql, {std::string{seq.at(0, 0)}});
    std::cout << (format_ == "json" ? as_json(event) : as_record(event));
    return 0;
}

}  // namespace relay
