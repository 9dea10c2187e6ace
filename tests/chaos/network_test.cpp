// Faults 11 and 24: a connection that is cut in the middle of COMMIT, and a bad network on both
// sides of the relay.
#include <gtest/gtest.h>

#include <optional>
#include <pqxx/pqxx>
#include <thread>

#include "chaos/delivery.hpp"
#include "chaos/effects.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "faults.hpp"
#include "support/broker.hpp"
#include "support/tcp_gate.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;
using support::TcpGate;

int database_port(const Stage& stage) {
    const pqxx::connection connection{stage.database().dsn()};
    return std::stoi(connection.port());
}

std::string through(const TcpGate& gate, const std::string& dsn) {
    return dsn + " port=" + std::to_string(gate.port());  // of two ports, libpq takes the last
}

class CutCommit : public testing::Test {
protected:
    // Loses what goes that way once the writer has sent its COMMIT, and then the connection.
    void lose(TcpGate::Direction direction, const std::string& key, const std::string& id) {
        Transaction transaction{through(gate_, stage_.writer_dsn()), journal_};
        transaction.begin();
        transaction.append(key, id);
        gate_.hold(direction);
        std::jthread writer{[&] { EXPECT_THROW(transaction.commit(), pqxx::broken_connection); }};
        support::eventually(20s, "COMMIT or its answer to be on the way",
                            [this] { return gate_.held() > 0; });
        EXPECT_GE(gate_.reset(), 1);
        writer.join();
        gate_.open();
    }
    void retry(const std::string& key, const std::string& id) {
        Transaction transaction{through(gate_, stage_.writer_dsn()), journal_};
        transaction.begin();
        transaction.append(key, faults::mutant("new_uuid") ? new_id() : id);
        transaction.commit();
    }
    std::string new_id() const {
        pqxx::connection connection{stage_.database().dsn()};
        return pqxx::nontransaction{connection}.query_value<std::string>("select outbox.uuidv7()");
    }

    Stage stage_;
    TcpGate gate_{database_port(stage_)};
    Effects effects_{Stage::accounts};
    Journal journal_;
};

TEST_F(CutCommit, RetriedUnderTheSameIdTakesEffectOnce) {
    constexpr int changes = 20;
    auto relay = stage_.relay();
    for (int change = 0; change < changes; ++change) {
        const std::string key = "account-" + std::to_string(change % 3 + 1);
        const std::string id = new_id();
        lose(change % 2 == 0 ? TcpGate::Direction::answers : TcpGate::Direction::requests, key, id);
        retry(key, id);
    }
    stage_.await_drained();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
    // F: half of the commits whose outcome the writer never heard of had taken place.
    const auto published = static_cast<std::int64_t>(stage_.log().size());
    EXPECT_EQ(published, changes + changes / 2);

    auto consumer = effects_.consumer(stage_.topic(), support::unique_name("group"));
    support::happens_within(
        30s, [&] { return effects_.applied() + effects_.redelivered() >= published; });
    EXPECT_TRUE(stops_gracefully(consumer)) << consumer.output();
    const EffectVerdict effect = effects_.verdict(journal_);
    EXPECT_TRUE(effect.exact()) << effect;
    EXPECT_EQ(effect.changes, changes);
}

class BadNetwork : public InEitherMode<> {
protected:
    support::Process gated_relay() const {
        return stage_.relay(
            delivery({{"POSTROOM_KAFKA_BROKERS", brokers_.bootstrap()},
                      {"POSTROOM_DATABASE_DSN",
                       through(database_gate_, stage_.database().dsn("postroom_relay"))},
                      {"POSTROOM_RELAY_LEASE_MS", "2000"}}));
    }

    std::optional<TcpGate> kafka_gate_;
    // Whoever asks for the brokers is sent to the gate.
    support::Brokers brokers_{1, [this](int port) { return kafka_gate_.emplace(port).port(); }};
    Stage stage_{brokers_.bootstrap()};
    TcpGate database_gate_{database_port(stage_)};
    Journal journal_;
};

TEST_P(BadNetwork, LosesNothingAndKeepsTheOrder) {
    constexpr TcpGate::Shape bad{.latency = 20ms, .bytes_per_second = 64 * 1024};
    auto relay = gated_relay();
    Writers writers{
        stage_.database(), {.seed = seed(), .writers = 2, .longest_hold = 30ms}, journal_};
    stage_.await_published(100);
    kafka_gate_->shape(bad);
    database_gate_.shape(bad);
    for (int cut = 1; cut <= 6; ++cut) {
        stage_.await_published(stage_.published() + 20);
        // F: with a message on the way.
        support::eventually(20s, "bytes on the way", [&] { return kafka_gate_->held() > 200; });
        EXPECT_GT(kafka_gate_->reset(), 0);
        if (cut % 3 == 0) {
            EXPECT_GT(database_gate_.reset(), 0);
        }
    }
    kafka_gate_->open();
    database_gate_.open();
    writers.stop();
    stage_.await_drained();
    expect_kept(stage_.verdict(journal_));
}

INSTANTIATE_TEST_SUITE_P(Delivery, BadNetwork, modes, mode_name);

}  // namespace
}  // namespace chaos
