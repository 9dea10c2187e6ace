// Fault 23: events that Kafka will never take. Only their own keys wait, and each is a dead letter.
#include <gtest/gtest.h>

#include <pqxx/pqxx>
#include <random>

#include "chaos/delivery.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"

namespace chaos {
namespace {

constexpr auto append_sql =
    "select outbox.append($1, $2, 'Poisoned', jsonb_build_object('filling', $3::text))";
constexpr auto dead_sql = "select count(*) from outbox.dead where behind is null";
constexpr auto behind_sql = "select count(*) from outbox.dead where behind is not null";

// Random, because a broker measures the compressed batch.
std::string filling(std::size_t size) {
    std::mt19937_64 dice{seed()};
    std::string text(size, ' ');
    for (char& c : text) c = static_cast<char>(std::uniform_int_distribution{'0', 'z'}(dice));
    return text;
}

class Poison : public InEitherMode<> {
protected:
    void inject(const std::string& type, const std::string& key, std::size_t size) {
        pqxx::connection connection{stage_.writer_dsn()};
        pqxx::work tx{connection};
        const auto id = tx.query_value<std::string>(append_sql, {type, key, filling(size)});
        tx.commit();
        journal_.note({{id, key, ++version_}}, Outcome::aborted);  // must never be in the log
    }
    int number(const char* sql) {
        pqxx::connection connection{stage_.database().dsn()};
        return pqxx::nontransaction{connection}.query_value<int>(sql);
    }

    Stage stage_{support::kafka(), 1, {{"max.message.bytes", "50000"}}};
    Journal journal_;
    std::int64_t version_ = 0;
};

TEST_P(Poison, ParksExactlyWhatWasInjectedAndDelaysNobodyElse) {
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    {
        auto first = stage_.relay(delivery());  // makes the topic of positions
        stage_.await_published(1);
        ASSERT_TRUE(stops_gracefully(first)) << first.output();
    }
    auto relay = stage_.relay(delivery({{"POSTROOM_KAFKA_CREATE_TOPICS", "false"}}));
    stage_.await_published(100);
    inject("account", "too large for the producer", 1'500'000);
    inject("account", "too large for the broker", 200'000);
    inject("nowhere", "no such topic", 10);
    inject("account", "too large for the broker", 10);  // small, but behind its predecessor
    stage_.await_published(stage_.published() + 500);
    writers.stop();
    stage_.await_drained();

    EXPECT_EQ(number(dead_sql), 3) << "dead letters differ from the injected events";
    EXPECT_EQ(number(behind_sql), 1);
    expect_kept(stage_.verdict(journal_));
}

INSTANTIATE_TEST_SUITE_P(Delivery, Poison, modes, mode_name);

}  // namespace
}  // namespace chaos
