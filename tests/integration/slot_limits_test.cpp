// What bounds a slot: the WAL that the server keeps for it, and the memory of who reads it.
#include <fstream>

#include "integration/logical_fixture.hpp"
#include "support/postgres_server.hpp"

namespace integration {
namespace {

// The server goes back on its promise to keep the WAL: nothing of what the slot had still to give
// comes from it any more, and all of it is in the table.
class LimitedSlot : public LogicalSource {
protected:
    support::Process limited(const std::vector<std::string>& more = {}) {
        auto flags = more;
        flags.insert(flags.end(), {"--database-dsn", limited_.dsn("postroom_relay")});
        return relay(flags);
    }
    void append_there(const std::string& type) {
        pqxx::connection connection{limited_.dsn("postroom_service")};
        pqxx::work tx{connection};
        append(tx, "k", type);
        tx.commit();
    }
    template <typename T>
    T ask(const std::string& sql) const {
        pqxx::connection connection{limited_.dsn()};
        return pqxx::nontransaction{connection}.query_value<T>(sql);
    }
    void exceed_the_limit() const {
        for (int file = 0; file < 4; ++file)
            ask<std::string>(
                "select pg_switch_wal()::text from pg_logical_emit_message(true, '', 'other')");
        pqxx::connection connection{limited_.dsn()};
        pqxx::nontransaction{connection}.exec("checkpoint");
        support::eventually(30s, "the slot to be invalidated", [&] {  // F
            return ask<bool>(
                "select wal_status = 'lost' and invalidation_reason = 'wal_removed' "
                "from pg_replication_slots");
        });
    }
    std::string drained_there() {
        auto process = limited({"--relay-stop-when-drained", "true"});
        const int status = process.wait(60s);
        return status == 0 ? "" : process.output();
    }

    support::PostgresServer server_{
        {{"wal_level", "logical"}, {"max_slot_wal_keep_size", "1MB"}, {"max_wal_size", "64MB"}}};
    support::Database limited_{{"outbox"}, server_.conninfo()};
};

TEST_F(LimitedSlot, ThatWasInvalidatedUnderAPauseIsRefusedAndLosesNothingOnceRebased) {
    append_there("First");
    ASSERT_EQ(drained_there(), "");
    ask<std::string>("select outbox.pause('a test')::text");
    auto paused = limited();
    await_paused(paused);
    append_there("Second");
    append_there("Third");
    exceed_the_limit();
    EXPECT_EQ(WEXITSTATUS(paused.wait(30s)), 1) << paused.output();
    EXPECT_TRUE(paused.output().contains("has been invalidated, so that it may have skipped"))
        << paused.output();
    EXPECT_TRUE(paused.output().contains("postroom rebase --shard 0 --from recorded"))
        << paused.output();
    EXPECT_TRUE(ask<std::string>("select string_agg(level || ': ' || detail, ' ') "
                                 "from outbox.explain('0') where cause = 'slot'")
                    .contains("has been invalidated"));
    ask<std::string>("select outbox.resume()::text");
    EXPECT_TRUE(drained_there().contains("has been invalidated"));
    EXPECT_EQ(types(), Types{"First"});

    rebase_to_recorded(limited_);
    append_there("Fourth");
    EXPECT_EQ(drained_there(), "");
    EXPECT_EQ(types(), (Types{"First", "Second", "Third", "Fourth"}));
    EXPECT_TRUE(ask<bool>("select bool_and(wal_status <> 'lost') from pg_replication_slots"));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr long most_more = 1L << 20U;  // what is freed is kept for a while
#else
constexpr long most_more = 64L << 10U;  // kilobytes
#endif

long kilobytes_at_most(const support::Process& process) {
    std::ifstream status{"/proc/" + std::to_string(process.pid()) + "/status"};
    for (std::string name; status >> name;)
        if (long value = 0; name == "VmHWM:" && status >> value) return value;
    return 0;
}

// Larger than what the server decodes in memory, while it is open and while it is published.
TEST_F(LogicalSource, HoldsAWindowOfAHugeTransactionWhichItPublishesWholeAndOfAnAbortedOneNothing) {
    constexpr int count = 100'000;
    drain();
    auto process = relay();
    append("k", "Before");
    await_published(1);
    const auto before = kilobytes_at_most(process);
    pqxx::connection connection{database_.dsn("postroom_service")};
    const auto write = [&](pqxx::work& tx, const std::string& type, int rows) {
        tx.exec(
            "insert into outbox.event (aggregatetype, aggregateid, type, body) "
            "select $1, 'k', $2 || n, decode(repeat(md5(n::text), 64), 'hex') "
            "from generate_series(1, $3::int) n order by n",
            pqxx::params{aggregate_, type, rows});
    };
    {
        pqxx::work aborted{connection};
        write(aborted, "Aborted", count / 2);
    }
    pqxx::work tx{connection};
    write(tx, "N", count);
    append("k", "Meanwhile");
    await_published(2);
    tx.commit();
    await_published(count + 2);
    const auto more = kilobytes_at_most(process) - before;
    EXPECT_TRUE(
        query<bool>("select spill_bytes > 60e6 from pg_stat_replication_slots "
                    "join pg_replication_slots using (slot_name) "
                    "where database = current_database()"));  // F
    stop(process);
    RecordProperty("kilobytes", static_cast<int>(more));
    EXPECT_LT(more, most_more) << "a transaction is held as a whole";
    Types expected{"Before", "Meanwhile"};
    for (int n = 1; n <= count; ++n) expected.push_back("N" + std::to_string(n));
    EXPECT_TRUE(types() == expected) << types().size() << " events";
}

}  // namespace
}  // namespace integration
