// Every fault that a running system meets, in random succession: ./ops/test soak.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <iostream>
#include <optional>
#include <pqxx/pqxx>
#include <random>
#include <set>

#include "chaos/delivery.hpp"
#include "chaos/effects.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/broker.hpp"
#include "support/postgres_server.hpp"
#include "support/tcp_gate.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;
using support::TcpGate;

constexpr auto progress = 20;  // events that have to be published before the next fault

class Soak : public InEitherMode<> {
protected:
    using Child = std::unique_ptr<support::Process>;
    using Fault = void (Soak::*)();

    Soak() {
        for (auto& relay : relays_) relay = start_relay();
        for (std::size_t number = 0; number < consumers_.size(); ++number)
            consumers_[number] = start_consumer(number);
    }
    Child start_relay() const {
        const auto dsn = stage_.database().dsn("postroom_relay") +
                         " port=" + std::to_string(database_gate_.port());
        return Child{new support::Process{stage_.relay(delivery(
            {{"POSTROOM_KAFKA_BROKERS", brokers_.bootstrap()}, {"POSTROOM_DATABASE_DSN", dsn}}))}};
    }
    Child start_consumer(std::size_t number) const {
        return Child{new support::Process{effects_.consumer(
            stage_.topic(), "soak",
            {.name = "member-" + std::to_string(number), .brokers = brokers_.bootstrap()})}};
    }
    // Of exactly_once each fault once, unless more is asked for.
    int minutes() const { return number_given("POSTROOM_SOAK_MINUTES", exactly_once() ? 0 : 1); }
    std::size_t any(std::size_t count) {
        return std::uniform_int_distribution<std::size_t>{0, count - 1}(dice_);
    }
    void end(Child& child, bool hard) {
        if (hard) {
            ASSERT_TRUE(child->running()) << child->output();
            child->signal(SIGKILL);
            ASSERT_TRUE(was_killed(*child));
            ++kills_;
        } else {
            ASSERT_TRUE(stops_gracefully(*child)) << child->output();
        }
    }

    void kill_relay() {
        auto& relay = relays_[any(2)];
        ASSERT_NO_FATAL_FAILURE(end(relay, true));
        relay = start_relay();
    }
    void stop_relay() {
        auto& relay = relays_[any(2)];
        ASSERT_NO_FATAL_FAILURE(end(relay, false));
        relay = start_relay();
    }
    // Past its lease, if it has one: the other goes on.
    void freeze_relay() {
        auto& relay = relays_[any(2)];
        relay->signal(SIGSTOP);
        stage_.await_published(stage_.published() + progress);
        relay->signal(SIGCONT);
    }
    void kill_consumer() {
        const auto number = any(2);
        ASSERT_NO_FATAL_FAILURE(end(consumers_[number], true));
        consumers_[number] = start_consumer(number);
    }
    void stop_consumer() {
        const auto number = any(2);
        ASSERT_NO_FATAL_FAILURE(end(consumers_[number], false));
        consumers_[number] = start_consumer(number);
    }
    void kill_broker() {
        brokers_.kill(1);
        ++kills_;
        brokers_.start(1);
    }
    void crash_postgres() {
        server_.stop_immediately();
        ++kills_;
        server_.start();
    }
    void cut_kafka() {
        support::eventually(60s, "connections to Kafka",
                            [this] { return kafka_gate_->reset() > 0; });
    }
    void cut_database() {
        support::eventually(60s, "connections to PostgreSQL",
                            [this] { return database_gate_.reset() > 0; });
    }
    void slow_network() {
        constexpr TcpGate::Shape bad{.latency = 20ms, .bytes_per_second = 128 * 1024};
        kafka_gate_->shape(bad);
        database_gate_.shape(bad);
        stage_.await_published(stage_.published() + progress);
        EXPECT_GT(kafka_gate_->reset(), 0);
        kafka_gate_->open();
        database_gate_.open();
    }

    // A shuffled deck after the other until the time is over, the first of them whole.
    void play(std::chrono::steady_clock::time_point deadline) {
        std::vector<Fault> deck{&Soak::kill_relay,     &Soak::stop_relay,    &Soak::freeze_relay,
                                &Soak::kill_consumer,  &Soak::stop_consumer, &Soak::kill_broker,
                                &Soak::crash_postgres, &Soak::cut_kafka,     &Soak::cut_database,
                                &Soak::slow_network};
        const auto in_time = [&] { return std::chrono::steady_clock::now() < deadline; };
        do {
            std::ranges::shuffle(deck, dice_);
            for (const Fault fault : deck) {
                if (faults_ >= deck.size() && !in_time()) return;
                ASSERT_NO_FATAL_FAILURE((this->*fault)());
                ++faults_;
                stage_.await_published(stage_.published() + progress);
            }
        } while (in_time());
    }

    const std::uint64_t seed_ = seed();
    std::mt19937_64 dice_{seed_};
    std::optional<TcpGate> kafka_gate_;
    support::Brokers brokers_{1, [this](int port) { return kafka_gate_.emplace(port).port(); }};
    support::PostgresServer server_;
    Stage stage_{brokers_.bootstrap(), 1, {}, server_.conninfo()};
    TcpGate database_gate_{
        std::stoi(std::string{pqxx::connection{stage_.database().dsn()}.port()})};
    Effects effects_{Stage::accounts};
    Journal journal_;
    std::array<Child, 2> relays_, consumers_;
    std::size_t faults_ = 0, kills_ = 0;
};

TEST_P(Soak, OfEveryFaultInTurnLosesNothingAndRepeatsNoEffect) {
    Writers writers{stage_.database(),
                    {.seed = seed_, .writers = 2, .longest_hold = 40ms, .reconnects = true},
                    journal_};
    stage_.await_published(progress);
    ASSERT_NO_FATAL_FAILURE(
        play(std::chrono::steady_clock::now() + std::chrono::minutes{minutes()}));
    writers.stop();
    stage_.await_drained();
    const auto published = [&] {
        std::set<std::string> ids;
        for (const auto& record : stage_.log()) ids.insert(record.headers.at("id"));
        return static_cast<std::int64_t>(ids.size());
    }();
    support::happens_within(60s, [&] { return effects_.applied() >= published; });
    for (auto* children : {&relays_, &consumers_}) {
        for (auto& child : *children) EXPECT_TRUE(stops_gracefully(*child)) << child->output();
    }
    const Verdict verdict = stage_.verdict(journal_);
    expect_kept(verdict);
    const EffectVerdict effect = effects_.verdict(journal_);
    EXPECT_EQ(effect.missing + effect.twice + effect.undead, 0U)
        << effect << ", dead letters: " << effects_.dead_letters();
    EXPECT_EQ(effect.changes, published);
    EXPECT_EQ(effect.out_of_order, 0) << effect;
    std::cout << "soak delivery=" << GetParam() << " seed=" << seed_ << " minutes=" << minutes()
              << " kills=" << kills_ << " faults=" << faults_ << " events=" << verdict.committed
              << " lost=" << verdict.lost << " duplicated_in_log=" << verdict.repeated
              << " duplicated_effects=" << effect.twice << std::endl;
}

INSTANTIATE_TEST_SUITE_P(Delivery, Soak, modes, mode_name);

}  // namespace
}  // namespace chaos
