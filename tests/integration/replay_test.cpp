// History that is published again, by the operator's command and a real relay.
#include "integration/operate_fixture.hpp"

namespace integration {

class Replay : public Operator {
protected:
    void append_many(int first, int last) {
        pqxx::connection owner{database_.dsn()};
        pqxx::nontransaction{owner}
            .exec("insert into outbox.event (aggregatetype, aggregateid, type, payload) select '" +
                  aggregate_ +
                  "', 'k' || n % 3, case when n % 2 = 0 then 'Even' else 'Odd' end, "
                  "to_jsonb(n) from generate_series(" +
                  std::to_string(first) + ", " + std::to_string(last) + ") n order by n")
            .no_rows();
    }
    // Of one replay, or without an id all records; each partition in order, first occurrences.
    static std::map<int, std::vector<int>> numbers(const std::vector<support::Record>& records,
                                                   const std::string& id = {}) {
        std::map<int, std::vector<int>> all;
        for (const auto& record : records) {
            const auto header = record.headers.find("postroom-replay");
            if (!id.empty() && (header == record.headers.end() || header->second != id)) continue;
            const int number = std::stoi(record.value.value());
            auto& some = all[record.partition];
            if (std::ranges::find(some, number) == some.end()) some.push_back(number);
        }
        return all;
    }
    static std::vector<int> together(const std::map<int, std::vector<int>>& partitions) {
        std::vector<int> all;
        for (const auto& [partition, some] : partitions) {
            EXPECT_TRUE(std::ranges::is_sorted(some)) << "partition " << partition;
            all.insert(all.end(), some.begin(), some.end());
        }
        std::ranges::sort(all);
        return all;
    }
    static std::vector<int> range(int first, int last, int step = 1) {
        std::vector<int> all;
        for (int n = first; n <= last; n += step) all.push_back(n);
        return all;
    }
    std::string state() {
        return query<std::string>("select state from outbox.replay order by id desc limit 1");
    }
    void await_state(const std::string& wanted) {
        support::eventually(30s, "the replay to be " + wanted, [&] { return state() == wanted; });
    }
    void request(const std::string& arguments) {
        query<int>("select count(*) from outbox.start_replay(" + arguments + ")");
    }

    std::string elsewhere_ = support::unique_name("rebuilt");
};

TEST_F(Replay, PublishesExactlyWhatIsWantedIntoAnotherTopicInOrder) {
    append_many(1, 3000);
    run_until_drained();
    append_many(3001, 3100);
    const auto process = start();
    await_count(0, "outbox.pending");
    do_it({"replay", "--type", "Even", "--key", "k0", "--key", "k1", "--topic", elsewhere_,
           "--limit", "900", "--rate", "1000000", "--yes"});
    std::vector<int> expected;
    for (const int n : range(2, 3100, 2))
        if (n % 3 != 2 && expected.size() < 900) expected.push_back(n);
    EXPECT_EQ(together(numbers(support::read_topic(elsewhere_), "1")), expected);
    EXPECT_EQ(log().size(), 3100U) << "nothing goes to its own topic as well";
    EXPECT_EQ(rows({"replay", "list"})[0]["done"], 900);
    EXPECT_EQ(rows({"replay", "list"})[0]["state"], "done");
    EXPECT_EQ(query<int>("select published from outbox.current_position"), 3100);
    EXPECT_EQ(actions(), nlohmann::json::array({"replay"}));
}

TEST_F(Replay, OfATimeGoesToItsOwnTopicBesideWhatIsNew) {
    append_many(1, 10);
    const auto from = query<std::string>("select clock_timestamp()");
    append_many(11, 20);
    const auto to = query<std::string>("select clock_timestamp()");
    append_many(21, 30);
    const auto process = start();
    await_count(0, "outbox.pending");
    do_it({"replay", "--from", from, "--to", to, "--yes"});
    append_many(31, 40);
    await_count(0, "outbox.pending");
    EXPECT_EQ(together(numbers(log(), "1")), range(11, 20));
    EXPECT_EQ(together(numbers(log())), range(1, 40));
}

TEST_F(Replay, ChangesNothingUntilItIsConfirmed) {
    append_many(1, 10);
    run_until_drained();
    const auto effect = rows({"replay", "--dry-run"});
    ASSERT_EQ(effect.size(), 2U);
    EXPECT_EQ(effect[0]["type"], "Even");
    EXPECT_EQ(effect[0]["events"], 5);
    expect_refusal({"replay"}, "Say --yes");
    do_it({"replay", "--type", "Unknown"});
    expect_refusal({"replay", "--from", "2020-01-01", "--dry-run"}, "history is kept from");
    expect_refusal({"replay", "--topic", "no topic", "--yes"}, "topic");
    EXPECT_EQ(query<int>("select count(*) from outbox.replay"), 0);
    EXPECT_EQ(actions(), nlohmann::json::array());
    const auto refused = postroom({"replay", "--yes"}, "postroom_reader");
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.text, testing::HasSubstr("postroom_operator"));
}

// Slow enough that it cannot be through, by its rate.
TEST_F(Replay, IsCancelledByCtrlCAndResumed) {
    append_many(1, 2000);
    const auto relay = start();
    await_count(0, "outbox.pending");
    support::Process command{{.argv = {support::bin("postroom"), "replay", "--topic", elsewhere_,
                                       "--rate", "20", "--yes"},
                              .env = {{"POSTROOM_DSN", database_.dsn("postroom_operator")}}}};
    support::eventually(30s, "the replay to have begun", [&] {
        return query<int>("select coalesce(max(done), 0) from outbox.replay") > 0;
    });
    command.signal(SIGINT);
    EXPECT_EQ(WEXITSTATUS(command.wait(30s)), 1) << command.output();
    EXPECT_THAT(command.output(), testing::HasSubstr("postroom replay resume 1"));
    EXPECT_EQ(state(), "cancelled");
    expect_refusal({"replay", "cancel", "1"}, "postroom replay list");
    query<int>(
        "with changed as (update outbox.replay set rate = 1000000 returning 1) "
        "select count(*) from changed");
    do_it({"replay", "resume", "1"});
    EXPECT_EQ(together(numbers(support::read_topic(elsewhere_))), range(1, 2000));
    EXPECT_EQ(actions(), nlohmann::json::array({"replay resume", "replay cancel", "replay"}));
}

TEST_F(Replay, IsNeverFasterThanItsRate) {
    append_many(1, 60);
    const auto relay = start();
    await_count(0, "outbox.pending");
    request("topic => '" + elsewhere_ + "', rate => 30");
    await_state("done");
    EXPECT_TRUE(query<bool>("select finished_at - requested_at > '1.9 s' from outbox.replay"));
    EXPECT_EQ(together(numbers(support::read_topic(elsewhere_))), range(1, 60));
}

TEST_F(Replay, GoesOnAfterTheRelayWasKilledInTheMiddle) {
    append_many(1, 5000);
    run_until_drained();
    request("topic => '" + elsewhere_ + "', rate => 1000000");
    for (int death = 0; death < 2; ++death) {
        auto crashing = start({}, {{"POSTROOM_CRASH_AT", "after_errand:2"}});
        const int status = crashing.wait(30s);
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << crashing.output();
        EXPECT_EQ(state(), "running");
    }
    const auto relay = start();
    await_state("done");
    EXPECT_EQ(together(numbers(support::read_topic(elsewhere_))), range(1, 5000));
    EXPECT_EQ(query<int>("select done from outbox.replay"), 5000);
}

TEST_F(Replay, WaitsWhileTheShardIsPausedAndKeepsItsHistory) {
    append_many(1, 10);
    run_until_drained();
    do_it({"pause", "--reason", "to look"});
    request("rate => 1000000");
    const auto relay = start();
    support::eventually(30s, "the relay to hold the lease",
                        [&] { return query<bool>("select leased from outbox.lag"); });
    EXPECT_TRUE(query<bool>("select outbox.is_needed(1, 10)"));
    EXPECT_FALSE(query<bool>("select outbox.is_published('event_8388608')"));
    EXPECT_EQ(query<int>("select done from outbox.replay"), 0);
    do_it({"resume"});
    await_state("done");
    EXPECT_TRUE(query<bool>("select outbox.is_published('event_8388608')"));
}

TEST_F(Replay, FailsWithWhatKafkaSaysAndCanGoOn) {
    append_many(1, 10);
    run_until_drained();
    const auto relay = start_strict();
    const auto failed = postroom({"replay", "--topic", elsewhere_, "--yes"});
    EXPECT_EQ(failed.code, 1);
    EXPECT_THAT(failed.text, testing::HasSubstr("does not exist"));
    EXPECT_EQ(state(), "failed");
    const auto nameless = postroom({"replay", "--topic", "..", "--yes"});
    EXPECT_THAT(nameless.text, testing::HasSubstr("cannot name a topic"));
    support::create_topic(elsewhere_, 1);
    do_it({"replay", "resume", "1"});
    EXPECT_EQ(together(numbers(support::read_topic(elsewhere_))), range(1, 10));
}

}  // namespace integration
