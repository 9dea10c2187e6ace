// Says which ids certainly never existed, so that nobody looks them up.
//
//   Filter orders{{.kind = Filter::Kind::cuckoo}, added_since};
//   orders.fill();                                   // at the start: reads all ids
//   if (!orders.might_exist(id)) return not_found;   // without the database
//
// In memory, and current by the database itself rather than by messages that can get lost: before
// it says no it has asked the database for what was committed since it last asked, after the
// question came. All questions that wait share one such query, so that any number of made-up ids
// costs one short query at a time. Hence it never denies what was committed before the question,
// here or by any other process. It says yes when it does not know: not filled, or the query failed.
//
// Cuckoo: buckets of two 16-bit fingerprints, each in one of two buckets, 20 moves at most before
// another table is begun (Fan et al., "Cuckoo Filter: Practically Better Than Bloom", 2014).
// Bloom: 1e-4 false "yes" at its capacity, more beyond. Neither forgets an id.
//
// Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <variant>
#include <vector>

namespace domain::cache {

class CuckooFilter {
public:
    explicit CuckooFilter(std::size_t capacity = 600'000);
    void add(std::int64_t id);  // once more is no change
    bool contains(std::int64_t id) const;
    std::size_t tables() const { return tables_.size(); }

private:
    using Fingerprint = std::uint16_t;       // never 0, which marks a free place
    using Table = std::vector<Fingerprint>;  // bucket_size places a bucket
    bool insert(Table& table, std::size_t bucket, Fingerprint fingerprint) const;

    std::size_t mask_;  // buckets of a table, a power of two, less one
    std::vector<Table> tables_;
};

class BloomFilter {
public:
    explicit BloomFilter(std::size_t capacity = 600'000, double false_positives = 1e-4);
    void add(std::int64_t id);
    bool contains(std::int64_t id) const;

private:
    std::vector<std::uint64_t> words_;
    int probes_;
};

class Filter {
public:
    enum class Kind { cuckoo, bloom };
    struct Options {
        Kind kind = Kind::cuckoo;
        std::size_t capacity = 600'000;
        double false_positives = 1e-4;  // Bloom's
    };
    // What was committed since a cursor, all of it and perhaps more; since ever, if it is empty.
    // Exact with a column "added_in xid8 default pg_current_xact_id()" and its index:
    //   select pg_snapshot_xmin(pg_current_snapshot())::text,
    //          array(select id from thing where added_in >= $1::xid8)
    struct Added {
        std::string cursor;
        std::vector<std::int64_t> ids;
    };
    using AddedSince = std::function<Added(const std::string& cursor)>;

    Filter(const Options& options, AddedSince added_since);

    // Throws what added_since throws. May be called again.
    void fill();

    // Without it all is right as well: it saves a query when the id is asked for.
    void add(std::int64_t id);

    bool might_exist(std::int64_t id);

private:
    bool contains(std::int64_t id) const;
    bool catch_up();
    void take_in(const std::string& since);

    const AddedSince added_since_;
    mutable std::shared_mutex contents_mutex_;
    std::variant<CuckooFilter, BloomFilter> contents_;
    std::mutex mutex_;  // of all below
    std::condition_variable ended_;
    std::string cursor_;  // empty: not filled
    bool running_ = false;
    std::uint64_t begun_ = 0;                  // queries
    std::uint64_t answered_ = 0, failed_ = 0;  // the latest of them that was or did
};

}  // namespace domain::cache
