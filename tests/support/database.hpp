// A fresh, migrated database for one test, dropped at its end.
//
//   support::Database db;                            // schema/outbox
//   support::Database shop{{"outbox", "order"}};     // schema/outbox, then schema/order
//   pqxx::connection as_relay{db.dsn("postroom_relay")};
//
// Cloned from a template that is migrated once for each list of scopes and content of their files;
// templates stay in the server for the next run. Safe in many test processes at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/environment.hpp"

namespace support {

class Database {
public:
    // server: a superuser's conninfo, without dbname.
    explicit Database(const std::vector<std::string>& scopes = {"outbox"},
                      std::string server = postgres());
    ~Database();  // drops it, even under open connections
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    const std::string& name() const { return name_; }
    std::string dsn() const;                       // as superuser
    std::string dsn(std::string_view role) const;  // as a login role that is a member of `role`

private:
    std::string server_;
    std::string name_;
};

}  // namespace support
