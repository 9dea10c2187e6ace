// A window of the table, walked from anywhere: its beginning is read by outbox.read_window, the
// rest by a shorter query, and both must mean the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <pqxx/pqxx>

#include "relay/table_source.hpp"
#include "support/database.hpp"

namespace integration {

class Window : public testing::Test {
protected:
    struct Writer {
        explicit Writer(const support::Database& database)
            : connection{database.dsn("postroom_service")} {}
        void append(std::string_view type) {
            for (int n = 0; n < 2; ++n)
                tx.exec(
                    "insert into outbox.event (aggregatetype, aggregateid, type) values ('t', $1, "
                    "$2)",
                    pqxx::params{"key-" + std::to_string(n), type});
        }
        pqxx::connection connection;
        pqxx::work tx{connection};
    };
    void append(std::string_view type) {
        Writer writer{database_};
        writer.append(type);
        writer.tx.commit();
    }
    template <typename T>
    T query(const std::string& sql) {
        pqxx::connection connection{database_.dsn()};
        return pqxx::nontransaction{connection}.query_value<T>(sql);
    }
    relay::Edge edge(std::int64_t floor) {
        return {.snapshot = query<std::string>("select pg_current_snapshot()::text"),
                .floor = floor,
                .stream = std::nullopt};
    }
    std::vector<std::int64_t> walk(const relay::Position& from) {
        std::vector<std::int64_t> seqs;
        relay::Connection connection{database_.dsn("postroom_relay"), "test"};
        relay::TableSource source{connection, database_.dsn("postroom_relay"), false};
        const auto reached =
            source.walk(from, {.take =
                                   [&](const std::unique_ptr<relay::Batch>& batch) {
                                       for (const auto& row : batch->rows) seqs.push_back(row.seq);
                                       return true;
                                   },
                               .wait = [] { return true; }});
        EXPECT_TRUE(reached);
        return seqs;
    }

    support::Database database_;
};

TEST_F(Window, IsTheSameByEitherQueryFromWhereverItIsWalkedAndWhateverItsShard) {
    Writer late{database_};
    late.append("Wanted");
    append("Before");
    const auto floor = query<std::int64_t>("select max(seq) from outbox.event");
    append("Before");  // above the floor, and published before this window
    relay::Position window;
    window.lower = edge(floor);
    late.append("Wanted");
    late.tx.commit();
    append("Wanted");
    Writer open{database_};
    open.append("After");
    append("Wanted");
    window.upper = edge(floor);
    open.tx.commit();
    append("After");

    std::vector<std::int64_t> wanted;
    pqxx::connection connection{database_.dsn()};
    for (const auto& [seq] : pqxx::nontransaction{connection}.query<std::int64_t>(
             "select seq from outbox.event where type = 'Wanted' order by seq"))
        wanted.push_back(seq);
    ASSERT_EQ(wanted.size(), 8U);
    ASSERT_LT(wanted[1], floor);
    ASSERT_GT(wanted[2], floor);

    // By outbox.read_window, as a walk from the beginning is.
    std::array<std::vector<std::int64_t>, 2> of_shard;
    window.shards = 2;
    for (window.shard = 0; window.shard < 2; ++window.shard) {
        auto& own = of_shard.at(static_cast<std::size_t>(window.shard));
        own = walk(window);
        EXPECT_EQ(own.size(), wanted.size() / 2) << "its two keys are not one a shard";
    }
    const auto rest = [&](const std::vector<std::int64_t>& all) {
        return std::vector<std::int64_t>{std::ranges::upper_bound(all, window.last_place),
                                         all.end()};
    };
    const auto newest = query<std::int64_t>("select max(seq) from outbox.event");
    for (window.last_place = 0; window.last_place <= newest; ++window.last_place) {
        window.shards = 1;
        window.shard = 0;
        EXPECT_EQ(walk(window), rest(wanted)) << "after " << window.last_place;
        window.shards = 2;
        for (window.shard = 0; window.shard < 2; ++window.shard)
            EXPECT_EQ(walk(window), rest(of_shard.at(static_cast<std::size_t>(window.shard))))
                << "shard " << window.shard << " after " << window.last_place;
    }
}

}  // namespace integration
