#include "offsets.hpp"

#include <algorithm>

#include "faults.hpp"

namespace outbox {

void Offsets::begin(const Partition& partition, std::int64_t offset) {
    auto& progress = partitions_[partition];
    progress.unfinished.insert(offset);
    progress.next = std::max(progress.next, offset + 1);
}

void Offsets::finish(const Partition& partition, std::int64_t offset) {
    const auto found = partitions_.find(partition);
    if (found != partitions_.end()) found->second.unfinished.erase(offset);
}

Offsets::Positions Offsets::take() {
    Positions positions;
    for (auto& [partition, progress] : partitions_) {
        const bool drained = progress.unfinished.empty() || faults::mutant("undrained");
        const auto position = drained ? progress.next : *progress.unfinished.begin();
        if (position == progress.committed) continue;
        progress.committed = position;
        positions.emplace(partition, position);
    }
    return positions;
}

}  // namespace outbox
