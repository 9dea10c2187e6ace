// Several databases in one relay: what happens to one is none of the others' business.
#include <filesystem>
#include <fstream>

#include "integration/relay_fixture.hpp"
#include "support/postgres_server.hpp"

namespace integration {
namespace {

class Databases : public Relay {
protected:
    Databases()
        : file_{std::filesystem::temp_directory_path() /
                (support::unique_name("databases") + ".toml")} {}
    ~Databases() override { std::filesystem::remove(file_); }

    support::Process start_with(const support::Database& other) {
        std::ofstream{file_}
            << "[kafka]\nbrokers = '" << support::kafka()
            << "'\n[relay]\nlease_ms = 1000\n[admin]\nlisten = '127.0.0.1:0'\ntoken = '" << token
            << "'\n[[databases]]\nname = 'here'\ndsn = \"" << database_.dsn("postroom_relay")
            << "\"\nadmin_dsn = \"" << database_.dsn("postroom_operator")
            << "\"\n[[databases]]\nname = 'there'\ntopic = 'there.{aggregatetype}'\n"
            << "dsn = \"" << other.dsn("postroom_relay") << "\"\n";
        return support::Process{
            {.argv = {support::bin("postroom").string(), "relay", "--config", file_}}};
    }
    void append_to(const support::Database& database) {
        pqxx::connection connection{database.dsn("postroom_service")};
        pqxx::work tx{connection};
        append(tx, "k", "Happened");
        tx.commit();
    }
    static void await(httplib::Client& client, int status, const std::string& part) {
        support::eventually(30s, "/readyz to say " + part, [&] {
            const auto ready = client.Get("/readyz");
            return ready && ready->status == status && ready->body.contains(part);
        });
    }
    static void await_drained(const support::Database& database) {
        support::eventually(30s, "the outbox to drain", [&] {
            pqxx::connection connection{database.dsn()};
            return pqxx::nontransaction{connection}.query_value<int>(
                       "select count(*) from outbox.pending") == 0;
        });
    }

    static constexpr auto token = "a-token-of-the-tests";
    std::filesystem::path file_;
};

TEST_F(Databases, OneOfWhichStopsAndComesBackWithoutDisturbingTheOther) {
    support::PostgresServer server;
    const support::Database other{{"outbox"}, server.conninfo()};
    append_to(database_);
    append_to(other);
    auto process = start_with(other);
    httplib::Client client{"127.0.0.1", port(process)};
    await(client, 200, "there shard 0: leading");
    await_drained(database_);
    await_drained(other);
    server.stop_immediately();
    await(client, 503, "there shard 0: failing");
    EXPECT_TRUE(client.Get("/readyz")->body.contains("here shard 0: leading"));
    const auto epoch = query<int>("select epoch from outbox.lease");
    append_to(database_);
    await_drained(database_);
    server.start();
    await(client, 200, "there shard 0: leading");
    append_to(other);
    await_drained(other);
    EXPECT_EQ(query<int>("select epoch from outbox.lease"), epoch) << process.output();
    const auto metrics = client.Get("/metrics")->body;
    for (const auto* line : {R"(postroom_relay_published_total{database="here",shard="0"} 2)",
                             R"(postroom_relay_published_total{database="there",shard="0"} 2)"})
        EXPECT_TRUE(metrics.contains(line)) << line << metrics;
    EXPECT_EQ(log().size(), 2U);
    EXPECT_EQ(support::read_topic("there." + aggregate_).size(), 2U);
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(30s), 0) << process.output();
}

TEST_F(Databases, EachHaveAnAdminAndLogLinesOfTheirOwn) {
    const support::Database other{{"outbox"}};
    auto process = start_with(other);
    httplib::Client client{"127.0.0.1", port(process)};
    await(client, 200, "there shard 0: leading");
    await(client, 200, "here shard 0: leading");
    for (const auto* line : {"here: publishing shard 0 of 1", "there: publishing shard 0 of 1"})
        EXPECT_TRUE(process.output().contains(line)) << process.output();
    client.set_bearer_token_auth(token);
    const auto pause = [&](const std::string& query) {
        return client.Post("/admin/pause" + query, R"({"reason": "a look"})", "application/json");
    };
    EXPECT_EQ(pause("?database=here")->status, 200);
    await(client, 200, "here shard 0: paused");
    EXPECT_TRUE(client.Get("/readyz")->body.contains("there shard 0: leading"));
    EXPECT_TRUE(client.Get("/admin/explain?database=here")->body.contains("a look"));
    EXPECT_FALSE(client.Get("/admin/explain?database=there")->body.contains("a look"));
    EXPECT_EQ(pause("?database=there")->status, 403) << "its own role may look only";
    for (const auto* query : {"", "?database=elsewhere"}) {
        const auto refused = pause(query);
        EXPECT_EQ(refused->status, 400);
        EXPECT_TRUE(refused->body.contains("here, there")) << refused->body;
    }
}

TEST_F(Databases, OneOfWhichItsPositionWasNotRecordedInIsLeftAloneLoudly) {
    const support::Database other{{"outbox"}};
    {
        pqxx::connection connection{other.dsn()};
        pqxx::nontransaction{connection}.exec(
            "insert into outbox.position select shard, n + 1, epoch, 12345, timeline, lower, "
            "lower_floor, upper, upper_floor, last_seq, published from outbox.current_position");
    }
    auto process = start_with(other);
    httplib::Client client{"127.0.0.1", port(process)};
    await(client, 503, "there shard 0: failing");
    append_to(database_);
    await_drained(database_);
    EXPECT_EQ(client.Get("/livez")->status, 200);
    EXPECT_TRUE(process.output().contains("there: the position was recorded on system 12345"))
        << process.output();
    process.signal(SIGTERM);
    EXPECT_EQ(WEXITSTATUS(process.wait(30s)), 1);
}

}  // namespace
}  // namespace integration
