#include "chaos/journal.hpp"

#include <algorithm>
#include <ostream>
#include <set>

namespace chaos {

void Journal::note(const std::vector<Appended>& events, Outcome outcome) {
    const std::lock_guard lock{mutex_};
    for (const Appended& event : events) entries_.insert_or_assign(event.id, Entry{event, outcome});
}

std::map<std::string, Journal::Entry> Journal::entries() const {
    const std::lock_guard lock{mutex_};
    return entries_;
}

std::size_t Journal::count(Outcome outcome) const {
    const std::lock_guard lock{mutex_};
    return static_cast<std::size_t>(std::ranges::count(
        entries_, outcome, [](const auto& entry) { return entry.second.outcome; }));
}

Verdict compare(const Journal& journal, const std::vector<support::Record>& log) {
    const auto entries = journal.entries();
    Verdict verdict;
    const auto blame = [&verdict](std::size_t& count, const std::string& what) {
        ++count;
        if (verdict.example.empty()) verdict.example = what;
    };
    std::map<std::string, int> occurrences;
    std::map<std::string, std::int64_t> newest;
    for (const support::Record& record : log) {
        const auto header = record.headers.find("id");
        const std::string id = header == record.headers.end() ? "" : header->second;
        const auto entry = entries.find(id);
        if (entry == entries.end()) {
            blame(verdict.strangers, "stranger '" + id + "'");
            continue;
        }
        if (++occurrences[id] > 1) {
            ++verdict.repeated;
            continue;
        }
        const auto& [event, outcome] = entry->second;
        if (outcome == Outcome::aborted) blame(verdict.undead, "aborted " + id + " is in the log");
        std::int64_t& latest = newest[event.key];
        if (record.key != event.key || event.version <= latest) {
            blame(verdict.out_of_order, "version " + std::to_string(event.version) + " of " +
                                            event.key + " comes after " + std::to_string(latest));
        }
        latest = std::max(latest, event.version);
    }
    for (const auto& [id, entry] : entries) {
        if (entry.outcome != Outcome::committed) continue;
        ++verdict.committed;
        if (!occurrences.contains(id))
            blame(verdict.lost, "committed " + id + " is not in the log");
    }
    return verdict;
}

std::size_t repeated_besides(const std::map<std::string, Journal::Entry>& known,
                             const std::vector<support::Record>& log) {
    std::set<std::string> seen;
    return static_cast<std::size_t>(std::ranges::count_if(log, [&](const auto& record) {
        const auto& id = record.headers.at("id");
        return !known.contains(id) && !seen.insert(id).second;
    }));
}

std::ostream& operator<<(std::ostream& out, const Verdict& verdict) {
    out << "committed=" << verdict.committed << " lost=" << verdict.lost
        << " undead=" << verdict.undead << " strangers=" << verdict.strangers
        << " repeated=" << verdict.repeated << " out_of_order=" << verdict.out_of_order;
    if (!verdict.example.empty()) out << " (" << verdict.example << ")";
    return out;
}

}  // namespace chaos
