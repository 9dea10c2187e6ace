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
    const auto hash = std::hash<std::string_view>{}(std::string_view{sql});
    const auto name = std::format("postroom_{:016x}_{}", hash, statements->generation_);
    auto known = statements->names_.find(name);
    if (known == statements->names_.end()) {
        tx.conn().prepare(name, sql);
        known = statements->names_.emplace(name, false).first;
    }
    auto& has_worked = known->second;
    try {
        auto result = tx.exec(pqxx::prepped{name}, values);
        has_worked = true;
        return result;
    } catch (const pqxx::feature_not_supported& error) {
        if (!has_worked) throw;
        statements->names_.clear();
        ++statements->generation_;
        throw pqxx::serialization_failure{error.what(), error.query(), "40001"};
    }
}

bool is_prepared(const pqxx::transaction_base& tx) { return registry().find(tx.conn()) != nullptr; }

}  // namespace outbox
