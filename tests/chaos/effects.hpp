// What chaos_consumer left in its database, compared with what was committed to the outbox.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>

#include "chaos/journal.hpp"
#include "support/database.hpp"
#include "support/process.hpp"

namespace chaos {

struct EffectVerdict {
    std::size_t committed = 0;
    std::size_t missing = 0;        // committed, and without effect
    std::size_t twice = 0;          // events that took effect more than once
    std::size_t undead = 0;         // of nothing that was committed
    std::int64_t changes = 0;       // the sum that the effects added up to
    std::int64_t out_of_order = 0;  // effects after a later version of their key

    bool exact() const {
        return missing + twice + undead == 0 && changes == static_cast<std::int64_t>(committed);
    }
};
std::ostream& operator<<(std::ostream& out, const EffectVerdict& verdict);

// A consumer's database, with the table that takes the effects.
class Effects {
public:
    explicit Effects(int accounts);

    // A consumer of the topic; of one group when `group` is the same.
    support::Process consumer(const std::string& topic, const std::string& group,
                              const std::string& crash_point = "") const;
    // The same, of another cluster or by another member name; `environment` goes on top.
    struct Member {
        std::string name = "member";
        std::string brokers = support::kafka();
        std::map<std::string, std::string> environment = {};
    };
    support::Process consumer(const std::string& topic, const std::string& group,
                              const Member& member) const;

    std::int64_t applied() const;
    std::int64_t redelivered() const;
    std::int64_t handovers() const;    // how often a partition went on in another process
    std::string dead_letters() const;  // their errors, for a failure's message
    EffectVerdict verdict(const Journal& journal) const;

private:
    std::int64_t number(const char* sql) const;

    support::Database database_;
};

}  // namespace chaos
