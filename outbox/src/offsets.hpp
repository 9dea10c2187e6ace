// Which offsets may be committed: those below every one that is unfinished. Internal; not
// thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace outbox {

class Offsets {
public:
    using Partition = std::pair<std::string, int>;  // topic, number
    using Positions = std::map<Partition, std::int64_t>;

    void begin(const Partition& partition, std::int64_t offset);
    // Nothing for a partition that has been cleared meanwhile.
    void finish(const Partition& partition, std::int64_t offset);
    // For each partition that moved since the last call, the offset to go on from.
    Positions take();
    void clear() { partitions_.clear(); }

private:
    struct Progress {
        std::set<std::int64_t> unfinished;
        std::int64_t next = 0;        // above everything begun
        std::int64_t committed = -1;  // taken last
    };
    std::map<Partition, Progress> partitions_;
};

}  // namespace outbox
