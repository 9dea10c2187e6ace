// What a load driver did to the database, kept outside it, and its comparison with the Kafka log.
//
//   Verdict verdict = compare(journal, support::read_topic(topic));
//   EXPECT_TRUE(verdict.sound()) << verdict;
//
// Events are compared as multisets of ids. A key's version counts its changes; as its row is locked
// before the event is appended, versions rise in the order of commits, and so must their first
// occurrences in the log.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "support/kafka.hpp"

namespace chaos {

enum class Outcome { committed, aborted, unknown };  // unknown: the connection broke during COMMIT

struct Appended {
    std::string id, key;
    std::int64_t version;
};

// Thread-safe.
class Journal {
public:
    struct Entry {
        Appended event;
        Outcome outcome;
    };

    void note(const std::vector<Appended>& events, Outcome outcome);
    std::map<std::string, Entry> entries() const;  // by event id
    std::size_t count(Outcome outcome) const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, Entry> entries_;
};

struct Verdict {
    std::size_t committed = 0;
    std::size_t lost = 0;          // committed, and not in the log
    std::size_t undead = 0;        // aborted, and in the log
    std::size_t strangers = 0;     // in the log, and appended by nobody
    std::size_t repeated = 0;      // occurrences after the first
    std::size_t out_of_order = 0;  // first occurrences after a later version of their key
    std::string example;           // of the first thing that is wrong

    // Repetition is what at-least-once delivery may do under a crash.
    bool sound() const { return lost + undead + strangers + out_of_order == 0; }
};

Verdict compare(const Journal& journal, const std::vector<support::Record>& log);
// How often what is not among these was published again.
std::size_t repeated_besides(const std::map<std::string, Journal::Entry>& known,
                             const std::vector<support::Record>& log);
std::ostream& operator<<(std::ostream& out, const Verdict& verdict);

}  // namespace chaos
