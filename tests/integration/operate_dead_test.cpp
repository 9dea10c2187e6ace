// Dead letters: retried, skipped and edited from the command line, end to end through Kafka.
#include "integration/operate_fixture.hpp"

namespace integration {

class DeadLetter : public Operator {
protected:
    // "Refused" is dead, and two wait behind it; then its topic is made.
    // To be called while a strict relay runs.
    void refuse_one() {
        dead_ = append("k", "Refused");
        await_count(1, "outbox.dead");
        append("k", "Second");
        append("k", "Third");
        await_count(3, "outbox.dead");
        support::create_topic(topic_, 1);
    }
    void await_types(const std::vector<std::string>& expected) {
        support::eventually(30s, "the events to be in the log",
                            [&] { return types().size() >= expected.size(); });
        EXPECT_EQ(types(), expected);
    }
    std::string dead_;
};

TEST_F(DeadLetter, IsListedAndShownWithWhatWaitsBehindIt) {
    const auto process = start_strict();
    refuse_one();
    const auto all = rows({"dead", "list"});
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0]["event_id"], dead_);
    EXPECT_EQ(all[0]["key"], "k");
    EXPECT_EQ(all[0]["attempts"], 1);
    EXPECT_EQ(all[0]["waiting"], 2);
    EXPECT_THAT(all[0]["error"].get<std::string>(), testing::HasSubstr("does not exist"));
    EXPECT_THAT(postroom({"dead", "list"}).text, testing::HasSubstr("Refused"));
    const auto explained = postroom({"explain"});
    EXPECT_EQ(explained.code, 2);
    EXPECT_THAT(explained.text, testing::HasSubstr("dead: 1, waiting behind them: 2"));
    EXPECT_EQ(rows({"dead", "show", dead_})[0]["state"], "dead");
    const auto waiting =
        query<std::string>("select event_id from outbox.dead where type = 'Third'");
    EXPECT_EQ(rows({"show", waiting})[0]["state"], "waiting");
    EXPECT_EQ(rows({"show", waiting})[0]["behind"], dead_);
}

TEST_F(DeadLetter, IsRetriedBeforeWhatWaitsBehindItAndWhatCameLater) {
    const auto process = start_strict();
    refuse_one();
    do_it({"dead", "retry", dead_});
    await_count(0, "outbox.dead");
    append("k", "Fourth");
    await_types({"Refused", "Second", "Third", "Fourth"});
    EXPECT_EQ(log().front().headers.at("id"), dead_);
    EXPECT_EQ(rows({"show", dead_})[0]["state"], "published");
    EXPECT_EQ(query<int>("select count(*) from outbox.published"), 4);
    EXPECT_EQ(query<int>("select published from outbox.current_position"), 4);
    EXPECT_EQ(query<int>("select count(*) from outbox.retry"), 0);
}

TEST_F(DeadLetter, KeepsItsKeyInOrderWhileWritersGoOn) {
    const auto process = start_strict();
    refuse_one();
    std::vector<std::string> expected{"Refused", "Second", "Third"};
    const auto write = [&](int count) {
        for (int n = 0; n < count; ++n) {
            expected.push_back("N" + std::to_string(expected.size()));
            append("k", expected.back());
        }
    };
    write(50);
    do_it({"dead", "retry", dead_});
    write(50);
    await_types(expected);
}

// More than the relay takes in one turn: between two of them other keys go on, and this key's newer
// events have to wait.
TEST_F(DeadLetter, IsFollowedInTurnsThatNeitherOvertakeNorHoldUpOthers) {
    const auto process = start_strict();
    refuse_one();
    query<int>(
        "with added as (insert into outbox.event (aggregatetype, aggregateid, type, payload) "
        "select '" +
        aggregate_ +
        "', 'k', 'N' || n, '{}' from generate_series(1, 1500) n order by n returning 1) "
        "select count(*) from added");
    await_count(1503, "outbox.dead");
    do_it({"pause", "--reason", "to make the next three meet"});
    do_it({"dead", "skip", dead_, "--reason", "sent by hand"});
    append("k", "Last");
    append("other", "Other");
    do_it({"resume"});
    await_count(0, "outbox.dead");
    std::vector<std::string> expected{"Second", "Third"};
    for (int n = 1; n <= 1500; ++n) expected.push_back("N" + std::to_string(n));
    expected.emplace_back("Last");
    auto all = types();
    const auto other = std::ranges::find(all, "Other");
    ASSERT_NE(other, all.end());
    EXPECT_LT(other - all.begin(), 1500);
    all.erase(other);
    EXPECT_EQ(all, expected);
}

TEST_F(DeadLetter, ThatIsSkippedLetsTheOthersFollow) {
    const auto process = start_strict();
    refuse_one();
    do_it({"dead", "skip", dead_, "--reason", "sent by hand"});
    await_types({"Second", "Third"});
    await_count(0, "outbox.dead");
    EXPECT_EQ(rows({"show", dead_})[0]["state"], "skipped");
    EXPECT_EQ(query<int>("select count(*) from outbox.published"), 2);
    append("k", "Fourth");
    await_types({"Second", "Third", "Fourth"});
}

TEST_F(DeadLetter, ThatIsSkippedWhileTheRelayRetriesItHoldsNobodyUp) {
    {
        auto process = start_strict();
        refuse_one();
        process.signal(SIGTERM);
        ASSERT_EQ(process.wait(10s), 0);
    }
    do_it({"dead", "retry", dead_});
    do_it({"dead", "skip", dead_, "--reason", "too late for the relay, which has it in hand"});
    {
        pqxx::connection relay{database_.dsn("postroom_relay")};
        pqxx::nontransaction{relay}.exec("select outbox.retried($1, '{}', $1, 'refused again')",
                                         pqxx::params{dead_});
    }
    const auto process = start_strict();
    await_types({"Second", "Third"});
    await_count(0, "outbox.dead");
}

TEST_F(DeadLetter, IsPublishedAsItWasEditedUnderItsOwnId) {
    const auto process = start_strict();
    refuse_one();
    do_it({"dead", "edit", dead_, "--payload", R"({"n": 2})", "--reason", "n was missing"});
    do_it({"dead", "edit", dead_, "--headers", R"({"own": "x"})", "--reason", "and a header"});
    const auto shown = rows({"dead", "show", dead_})[0];
    EXPECT_EQ(shown["payload"], nlohmann::json::object());
    EXPECT_EQ(shown["new_payload"], (nlohmann::json{{"n", 2}}));
    do_it({"dead", "retry", dead_});
    await_types({"Refused", "Second", "Third"});
    const auto record = log().front();
    EXPECT_EQ(record.value, R"({"n": 2})");
    EXPECT_EQ(record.headers.at("id"), dead_);
    EXPECT_EQ(record.headers.at("own"), "x");
    EXPECT_EQ(record.headers.at("content-type"), "application/json");
    EXPECT_EQ(query<std::string>("select payload from outbox.event where type = 'Refused'"), "{}");
}

TEST_F(DeadLetter, TakesABodyThatIsNotJson) {
    const auto process = start_strict();
    refuse_one();
    do_it({"dead", "edit", dead_, "--body-file", "/proc/self/cmdline", "--content-type",
           "application/x-cmdline", "--reason", "any bytes"});
    do_it({"dead", "retry", dead_});
    await_types({"Refused", "Second", "Third"});
    EXPECT_THAT(log().front().value.value(), testing::HasSubstr(std::string{"\0dead\0edit\0", 11}));
    EXPECT_EQ(log().front().headers.at("content-type"), "application/x-cmdline");
}

TEST_F(DeadLetter, ThatIsRefusedAgainStaysDeadWithItsNewError) {
    auto process = start_strict();
    dead_ = append("k", "Refused");
    await_count(1, "outbox.dead");
    append("k", "Second");
    await_count(2, "outbox.dead");
    do_it({"dead", "retry", dead_});
    await_count(1, "outbox.dead where attempts = 2 and retried_at is null and behind is null");
    await_count(1, "outbox.dead where behind is not null");
}

// Large enough for its topic to refuse it after it was queued behind others.
TEST_F(DeadLetter, BehindAnotherDiesItselfWhenKafkaRefusesIt) {
    auto process = start_strict();
    dead_ = append("k", "Refused");
    await_count(1, "outbox.dead");
    append("k", "Second");
    const auto large = query<std::string>(
        "select outbox.append('" + aggregate_ +
        "', 'k', 'Large', jsonb_build_object('x', "
        "(select string_agg(md5(n::text), '') from generate_series(1, 3000) n)))");
    append("k", "Fourth");
    await_count(4, "outbox.dead");
    support::create_topic(topic_, 1, {{"max.message.bytes", "20000"}});
    do_it({"dead", "retry", dead_});
    await_count(1,
                "outbox.dead where event_id = '" + large + "' and behind is null and attempts = 1");
    await_count(1, "outbox.dead where type = 'Fourth' and behind = '" + large + "'");
    EXPECT_EQ(first_occurrences(), (std::vector<std::string>{"Refused", "Second"}));
    do_it({"dead", "edit", large, "--payload", "{}", "--reason", "too large"});
    do_it({"dead", "retry", large});
    await_count(0, "outbox.dead");
    EXPECT_EQ(first_occurrences(),
              (std::vector<std::string>{"Refused", "Second", "Large", "Fourth"}));
}

TEST_F(DeadLetter, IsRepeatedRatherThanLostByACrashAfterKafkaTookIt) {
    {
        auto relay = start_strict();
        refuse_one();
        relay.signal(SIGTERM);
        relay.wait(15s);
    }
    do_it({"dead", "retry", dead_});
    auto argv = std::vector<std::string>{"--kafka-create-topics", "false"};
    auto crashing = start(argv, {{"POSTROOM_CRASH_AT", "after_errand"}});
    const int status = crashing.wait(30s);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << crashing.output();
    EXPECT_EQ(types(), (std::vector<std::string>{"Refused", "Second", "Third"}));
    append("k", "Fourth");
    run_until_drained(argv);
    EXPECT_EQ(types(), (std::vector<std::string>{"Refused", "Second", "Third", "Refused", "Second",
                                                 "Third", "Fourth"}));
    EXPECT_EQ(query<int>("select count(*) from outbox.dead"), 0);
}

TEST_F(DeadLetter, IsPublishedAnewWhenAHistoryIsReplayed) {
    {
        auto relay = start_strict();
        refuse_one();
        do_it({"dead", "retry", dead_});
        await_types({"Refused", "Second", "Third"});
        await_count(0, "outbox.dead");
    }
    do_it({"rebase", "--shard", "0", "--from", "all", "--yes"});
    run_until_drained(
        {"--kafka-create-topics", "false", "--kafka-topic", "elsewhere.{aggregatetype}"});
    await_count(3, "outbox.dead");  // refused again, and not forgotten
}

TEST_F(DeadLetter, RefusesWhatMakesNoSenseAndSaysWhatDoes) {
    const auto process = start_strict();
    refuse_one();
    const std::string unknown = "00000000-0000-7000-8000-000000000000";
    expect_refusal({"dead", "retry", unknown}, "postroom dead list");
    expect_refusal({"dead", "show", unknown}, "postroom dead list");
    expect_refusal({"dead", "retry", "nonsense"}, "nonsense");
    const auto waiting =
        query<std::string>("select event_id from outbox.dead where type = 'Third'");
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"dead", "retry", waiting},
          {"dead", "skip", waiting, "--reason", "x"},
          {"dead", "edit", waiting, "--payload", "1", "--reason", "x"}})
        expect_refusal(command, "only waits behind " + dead_);
    expect_refusal({"dead", "edit", dead_, "--reason", "x"}, "changes nothing");
    expect_refusal({"dead", "edit", dead_, "--headers", R"({"id": "x"})", "--reason", "x"},
                   "headers_are_an_object_and_name_no_column");
    expect_refusal({"dead", "skip", dead_}, "--reason");
    EXPECT_EQ(actions(), nlohmann::json::array());  // what was refused leaves no trace
    do_it({"pause", "--reason", "so that the retry stays under way"});
    do_it({"dead", "retry", dead_});
    expect_refusal({"dead", "edit", dead_, "--payload", "1", "--reason", "x"},
                   "about to be published again");
    do_it({"dead", "skip", dead_, "--reason", "x"});
    expect_refusal({"dead", "retry", dead_}, "it was skipped at");
}

}  // namespace integration
