// Statements that a session prepares at their first use.
#include "outbox/prepared.hpp"

#include <gtest/gtest.h>

#include <pqxx/pqxx>

#include "support/database.hpp"

namespace {

class Prepared : public testing::Test {
protected:
    pqxx::result ask(const char* sql) {
        pqxx::work tx{session_};
        auto answer = outbox::exec(tx, sql);
        tx.commit();
        return answer;
    }
    void tell(const char* sql) {
        pqxx::connection other{database_.dsn()};
        pqxx::nontransaction{other}.exec(sql);
    }

    support::Database database_{{}};
    pqxx::connection session_{database_.dsn()};
    outbox::PreparedStatements prepared_{session_};
};

TEST_F(Prepared, AreMadeAnewAfterAMigrationThatChangesWhatTheyReturn) {
    tell("create table kept (n int); insert into kept values (1)");
    EXPECT_EQ(ask("select * from kept").one_field().as<int>(), 1);
    tell("alter table kept alter n type text");
    EXPECT_THROW(ask("select * from kept"), pqxx::serialization_failure) << "to be repeated";
    EXPECT_EQ(ask("select * from kept").one_field().as<std::string>(), "1");
}

TEST_F(Prepared, LeaveAStatementThatCannotWorkWhatItIs) {
    tell(
        "create function refuse() returns int language plpgsql as "
        "'begin raise feature_not_supported; end'");
    EXPECT_THROW(ask("select refuse()"), pqxx::feature_not_supported);
    EXPECT_THROW(ask("select refuse()"), pqxx::feature_not_supported);
}

}  // namespace
