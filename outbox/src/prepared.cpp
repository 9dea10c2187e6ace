#include "outbox/prepared.hpp"

#include <format>
#include <functional>
#include <mutex>
#include <pqxx/pqxx>
#include <string_view>
#include <unordered_map>

namespace outbox {
namespace {

// libpqxx lets nothing be attached to a connection.
class Registry {
public:
    void add(const pqxx::connection& connection, PreparedStatements& statements) {
        const std::scoped_lock lock{mutex_};
        held_.insert_or_assign(&connection, &statements);
    }
    void remove(const pqxx::connection& connection) {
        const std::scoped_lock lock{mutex_};
        held_.erase(&connection);
    }
    PreparedStatements* find(const pqxx::connection& connection) {
        const std::scoped_lock lock{mutex_};
        const auto found = held_.find(&connection);
        return found == held_.end() ? nullptr : found->second;
    }

private:
    std::mutex mutex_;
    std::unordered_map<const pqxx::connection*, PreparedStatements*> held_;
};

Registry& registry() {
    static Registry all;
    return all;
}

}  // namespace

PreparedStatements::PreparedStatements(pqxx::connection& connection) : connection_{connection} {
    registry().add(connection, *this);
}

PreparedStatements::~PreparedStatements() { registry().remove(connection_); }

pqxx::result exec(pqxx::transaction_base& tx, pqxx::zview sql, const pqxx::params& values) {
    auto* const statements = registry().find(tx.conn());
    if (statements == nullptr) return tx.exec(sql, values);
    // By content: what one client of a pooler has prepared under a name, another means by it, too.
    const auto name =
        std::format("postroom_{:016x}", std::hash<std::string_view>{}(std::string_view{sql}));
    if (!statements->names_.contains(name)) {
        tx.conn().prepare(name, sql);
        statements->names_.insert(name);
    }
    return tx.exec(pqxx::prepped{name}, values);
}

bool is_prepared(const pqxx::transaction_base& tx) { return registry().find(tx.conn()) != nullptr; }

}  // namespace outbox
