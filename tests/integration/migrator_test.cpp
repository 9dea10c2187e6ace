// The migrator against PostgreSQL: what it applies, what it refuses, and two of them at once.
#include "schema/migrator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <pqxx/pqxx>
#include <thread>

#include "support/database.hpp"
#include "support/environment.hpp"

namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Migrator : public testing::Test {
protected:
    void SetUp() override { fs::create_directories(dir_); }
    void TearDown() override { fs::remove_all(dir_.parent_path()); }

    void write(const std::string& name, const std::string& sql) {
        std::ofstream{dir_ / name} << sql;
    }
    schema::Report migrate() { return schema::migrate(database_.dsn(), {dir_}); }
    std::string refusal() {
        try {
            migrate();
        } catch (const schema::MigrationError& error) {
            return error.what();
        }
        return "";
    }
    template <typename T>
    T value(const std::string& sql) {
        pqxx::connection connection{database_.dsn()};
        return pqxx::nontransaction{connection}.query_value<T>(sql);
    }

    const fs::path dir_ = fs::temp_directory_path() / support::unique_name("migrations") / "shop";
    support::Database database_{{}};
};

TEST_F(Migrator, AppliesEachFileOnce) {
    write("0001_first.sql", "create table first (id int);");
    write("0002_second.sql", "insert into first values (1); insert into first values (2);");
    EXPECT_THAT(migrate().applied,
                testing::ElementsAre("shop/0001_first.sql", "shop/0002_second.sql"));
    write("0003_third.sql", "insert into first values (3)");
    const schema::Report second = migrate();
    EXPECT_EQ(second.already_applied, 2);
    EXPECT_THAT(second.applied, testing::ElementsAre("shop/0003_third.sql"));
    EXPECT_EQ(value<int>("select count(*) from first"), 3);
    EXPECT_EQ(value<int>("select count(*) from postroom.migration where scope = 'shop'"), 3);
}

TEST_F(Migrator, RefusesAChangedFile) {
    write("0001_first.sql", "create table first (id int);");
    migrate();
    write("0001_first.sql", "create table first (id bigint);");
    EXPECT_THAT(refusal(), HasSubstr("0001_first.sql: has changed since it was applied; restore"));
}

TEST_F(Migrator, RefusesWhenAnAppliedFileIsMissingOrRenamed) {
    write("0001_first.sql", "select 1");
    write("0002_second.sql", "select 1");
    migrate();
    fs::remove(dir_ / "0002_second.sql");
    EXPECT_THAT(refusal(),
                HasSubstr("0002_second.sql: was applied to this database, but is missing"));
    write("0002_newcomer.sql", "select 1");
    EXPECT_THAT(refusal(),
                HasSubstr("0002_second.sql: was applied to this database, but is missing"));
}

TEST_F(Migrator, RefusesAGapANumberUsedTwiceAndAWrongName) {
    write("0001_first.sql", "select 1");
    write("0003_third.sql", "select 1");
    EXPECT_THAT(refusal(), HasSubstr("0003_third.sql: number 2 is missing before it"));
    write("0002_a.sql", "select 1");
    write("0002_b.sql", "select 1");
    EXPECT_THAT(refusal(), HasSubstr("0002_b.sql: number 2 is used twice"));
    write("4.sql", "select 1");
    EXPECT_THAT(refusal(), HasSubstr("4.sql: is no migration's name"));
    EXPECT_EQ(value<bool>("select to_regclass('postroom.migration') is null"), true);
}

TEST_F(Migrator, LeavesNothingOfAFailingFileAndNamesItsLine) {
    write("0001_first.sql", "create table first (id int);");
    write("0002_second.sql", "create table sécond (id int);\n\ninsert into nowhere values (1);\n");
    EXPECT_THAT(refusal(),
                testing::AllOf(HasSubstr("0002_second.sql:3: relation \"nowhere\" does not"),
                               HasSubstr("nothing of this file was applied")));
    EXPECT_EQ(value<bool>("select to_regclass('sécond') is null"), true);
    EXPECT_EQ(value<int>("select max(version) from postroom.migration"), 1);
    write("0002_second.sql", "create table sécond (id int);");
    EXPECT_THAT(migrate().applied, testing::ElementsAre("shop/0002_second.sql"));
}

TEST_F(Migrator, NamesTheStatementOfAnErrorThatHasNoPosition) {
    write("0001_first.sql",
          "create table first (id int primary key);\ninsert into first values (1), (1);");
    EXPECT_THAT(refusal(), HasSubstr("0001_first.sql: statement 2: duplicate key"));
}

TEST_F(Migrator, RefusesAFileThatCommits) {
    write("0001_first.sql", "create table first (id int); commit;");
    EXPECT_THAT(refusal(), HasSubstr("0001_first.sql: ends its own transaction"));
}

TEST_F(Migrator, AppliesOnceWhenManyStartAtOnce) {
    write("0001_first.sql", "create table first (id int); select pg_sleep(0.1);");
    write("0002_second.sql", "insert into first values (1)");
    std::atomic<std::size_t> applied{0};
    {
        std::vector<std::jthread> starts;
        for (int i = 0; i < 4; ++i)
            starts.emplace_back([&] { applied += migrate().applied.size(); });
    }
    EXPECT_EQ(applied, 2U);
    EXPECT_EQ(value<int>("select count(*) from first"), 1);
}

TEST_F(Migrator, GivesUpWaitingForAnotherMigration) {
    write("0001_first.sql", "select 1");
    pqxx::connection other{database_.dsn()};
    pqxx::nontransaction{other}.exec("select pg_advisory_lock(1886352244, 3)");
    try {
        schema::migrate(database_.dsn(), {dir_}, {.lock_timeout = std::chrono::seconds{1}});
        FAIL() << "did not wait for the lock";
    } catch (const schema::MigrationError& error) {
        EXPECT_THAT(error.what(), HasSubstr("another migration of this database"));
    }
}

}  // namespace
