#include "domain/cache/filter.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <pqxx/pqxx>
#include <sstream>
#include <thread>

#include "support/database.hpp"

namespace domain::cache {
namespace {

// Two processes add to one table, which a third one's filter reads.
class FilterTest : public testing::Test {
protected:
    FilterTest() {
        pqxx::connection session{database.dsn()};
        pqxx::nontransaction{session}.exec(
            "create table thing (id bigint primary key, "
            "added_in xid8 not null default pg_current_xact_id());"
            "create index on thing (added_in)");
    }

    Filter::Added added_since(const std::string& cursor) const {
        pqxx::connection session{database.dsn()};
        pqxx::nontransaction tx{session};
        const auto row = tx.exec(
                               "select pg_snapshot_xmin(pg_current_snapshot())::text, "
                               "array_to_string(array(select id from thing "
                               "where added_in >= $1::xid8), ' ')",
                               pqxx::params{cursor.empty() ? "0" : cursor})
                             .one_row();
        Filter::Added added{.cursor = row[0].as<std::string>(), .ids = {}};
        std::istringstream ids{row[1].as<std::string>()};
        for (std::int64_t id = 0; ids >> id;) added.ids.push_back(id);
        return added;
    }

    support::Database database{{}};
    Filter filter{{.capacity = 1000}, [this](const auto& cursor) { return added_since(cursor); }};
};

TEST_F(FilterTest, KnowsACommitOlderThanItsLastQueryOfAnOlderTransaction) {
    pqxx::connection late{database.dsn()}, early{database.dsn()};
    pqxx::work slow{late};
    slow.exec("insert into thing (id) values (1)");
    {
        pqxx::work quick{early};
        quick.exec("insert into thing (id) values (2)");
        quick.commit();
    }
    filter.fill();
    EXPECT_TRUE(filter.might_exist(2));
    EXPECT_FALSE(filter.might_exist(1)) << "not committed";
    slow.commit();
    EXPECT_TRUE(filter.might_exist(1)) << "denied: an id that exists";
}

TEST_F(FilterTest, DeniesNothingThatWasCommittedByAnyone) {
    filter.fill();
    std::atomic<int> denied{0};
    {
        std::vector<std::jthread> writers;
        for (int writer = 0; writer < 4; ++writer) {
            writers.emplace_back([&, writer] {
                pqxx::connection session{database.dsn()};
                for (int i = 0; i < 100; ++i) {
                    const std::int64_t id = writer * 1000 + i;
                    pqxx::work tx{session};
                    tx.exec("insert into thing (id) values ($1)", pqxx::params{id});
                    tx.commit();
                    if (!filter.might_exist(id)) ++denied;
                }
            });
        }
    }
    EXPECT_EQ(denied, 0) << "denied: ids that exist";
    EXPECT_FALSE(filter.might_exist(999'999));
}

}  // namespace
}  // namespace domain::cache
