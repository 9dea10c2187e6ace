// A relay that reads a slot, and what the tests ask and tell that slot.
#pragma once

#include "integration/relay_fixture.hpp"

namespace integration {

class LogicalSource : public Relay {
protected:
    support::Process relay(const std::vector<std::string>& more = {}) {
        auto flags = more;
        flags.insert(flags.end(), {"--relay-source", "logical", "--kafka-partitions", "1"});
        return start(flags);
    }
    void drain(const std::vector<std::string>& more = {}) {
        auto flags = more;
        flags.insert(flags.end(), {"--relay-stop-when-drained", "true"});
        auto process = relay(flags);
        ASSERT_EQ(process.wait(60s), 0) << process.output();
    }
    std::string slot() const {
        return query<std::string>(
            "select slot_name from pg_replication_slots where database = current_database()");
    }
    void drop_slot() const {
        query<std::string>("select coalesce(pg_drop_replication_slot('" + slot() + "')::text, '')");
    }
    std::string explained() const {
        return query<std::string>(
            "select coalesce(string_agg(level || ': ' || detail || '; ' || remedy, ' '), '') "
            "from outbox.explain('0') where cause = 'slot'");
    }
    // What the outbox has nothing to do with; up to where the WAL then reaches.
    std::string write_elsewhere() const {
        query<std::string>("create table if not exists other (n int); select ''");
        return query<std::string>(
            "with w as (insert into other select generate_series(1, 100000) returning n) "
            "select pg_current_wal_insert_lsn()::text from (select count(*) from w) c");
    }
    // The slot's reader needs nothing before it; nor does the slot, once a list of what runs is in
    // the WAL.
    bool has_passed(const std::string& lsn) const {
        return query<bool>("select coalesce(least(confirmed_flush_lsn, restart_lsn) >= '" + lsn +
                           "', false) from pg_replication_slots, pg_log_standby_snapshot() "
                           "where database = current_database()");
    }
    void await_published(int count) const {
        support::eventually(30s, std::to_string(count) + " events to be published", [&] {
            return query<int>("select published from outbox.current_position") == count;
        });
    }
    void pause() const { query<std::string>("select outbox.pause('a test')::text"); }
    void resume() const { query<std::string>("select outbox.resume()::text"); }
    static void await_paused(const support::Process& process) {
        support::eventually(30s, "the pause", [&] {
            return process.output().find("is paused") != std::string::npos;
        });
    }
    static void rebase_to_recorded(const support::Database& database) {
        support::Process rebase{{.argv = {support::bin("postroom").string(), "rebase", "--dsn",
                                          database.dsn("postroom_operator"), "--shard", "0",
                                          "--from", "recorded", "--yes"}}};
        EXPECT_EQ(rebase.wait(30s), 0) << rebase.output();
    }
    std::string refusal() {
        auto refused = relay();
        EXPECT_EQ(WEXITSTATUS(refused.wait(30s)), 1) << refused.output();
        return refused.output();
    }
    using Types = std::vector<std::string>;
};

}  // namespace integration
