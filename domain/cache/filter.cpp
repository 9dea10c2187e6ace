#include "domain/cache/filter.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <ranges>
#include <span>
#include <utility>

#include "faults.hpp"

namespace domain::cache {
namespace {

constexpr std::size_t bucket_size = 2;
constexpr int most_moves = 20;

// splitmix64's finalizer: every bit of the id moves every bit of the hash.
constexpr std::uint64_t mix(std::uint64_t bits) {
    bits += 0x9e3779b97f4a7c15U;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
    return bits ^ (bits >> 31);
}

constexpr std::uint64_t hash(std::int64_t id) { return mix(static_cast<std::uint64_t>(id)); }

constexpr std::uint16_t fingerprint_of(std::uint64_t hash_of_id) {
    const auto fingerprint = static_cast<std::uint16_t>(hash_of_id >> 48);
    return fingerprint == 0 ? std::uint16_t{1} : fingerprint;
}

// From either of a fingerprint's two buckets to the other.
constexpr std::size_t other_bucket(std::size_t bucket, std::uint16_t fingerprint,
                                   std::size_t mask) {
    return (bucket ^ mix(fingerprint)) & mask;
}

template <class Table>
auto bucket_of(Table& table, std::size_t bucket) {
    return std::span{table}.subspan(bucket * bucket_size, bucket_size);
}

}  // namespace

CuckooFilter::CuckooFilter(std::size_t capacity)
    : mask_(std::bit_ceil(std::max<std::size_t>(1, capacity / bucket_size)) - 1),
      tables_(1, Table((mask_ + 1) * bucket_size)) {}

bool CuckooFilter::contains(std::int64_t id) const {
    const auto hashed = hash(id);
    const auto fingerprint = fingerprint_of(hashed);
    const std::size_t first = hashed & mask_;
    const std::size_t second = other_bucket(first, fingerprint, mask_);
    return std::ranges::any_of(tables_, [&](const Table& table) {
        return std::ranges::contains(bucket_of(table, first), fingerprint) ||
               std::ranges::contains(bucket_of(table, second), fingerprint);
    });
}

void CuckooFilter::add(std::int64_t id) {
    if (contains(id)) return;
    const auto hashed = hash(id);
    if (insert(tables_.back(), hashed & mask_, fingerprint_of(hashed))) return;
    if (faults::mutant("full_filter_drops")) return;
    tables_.emplace_back((mask_ + 1) * bucket_size);
    insert(tables_.back(), hashed & mask_, fingerprint_of(hashed));
}

// False, and the table is as it was, when the fingerprint finds no place.
bool CuckooFilter::insert(Table& table, std::size_t bucket, Fingerprint fingerprint) const {
    const auto settle = [&](std::size_t in) {
        const auto places = bucket_of(table, in);
        const auto free = std::ranges::find(places, Fingerprint{0});
        if (free == places.end()) return false;
        *free = fingerprint;
        return true;
    };
    if (settle(bucket)) return true;
    std::array<std::size_t, most_moves> moved{};  // places, in order
    for (int move = 0; move < most_moves; ++move) {
        bucket = other_bucket(bucket, fingerprint, mask_);
        if (settle(bucket)) return true;
        const auto index = static_cast<std::size_t>(move);
        moved.at(index) = bucket * bucket_size + (mix(fingerprint + index) % bucket_size);
        std::swap(table.at(moved.at(index)), fingerprint);
    }
    for (const auto place : std::views::reverse(moved)) std::swap(table.at(place), fingerprint);
    return false;
}

BloomFilter::BloomFilter(std::size_t capacity, double false_positives) {
    const double bits_each = -std::log2(false_positives) / std::numbers::ln2;
    const double bits =
        std::ceil(bits_each * static_cast<double>(std::max<std::size_t>(1, capacity)));
    words_.resize(static_cast<std::size_t>(bits / 64) + 1);
    probes_ = static_cast<int>(std::ceil(bits_each * std::numbers::ln2));
}

void BloomFilter::add(std::int64_t id) {
    const auto start = hash(id);
    const auto step = mix(start) | 1U;
    for (int probe = 0; probe < probes_; ++probe) {
        const auto bit = (start + static_cast<std::uint64_t>(probe) * step) % (words_.size() * 64);
        words_.at(bit / 64) |= std::uint64_t{1} << (bit % 64);
    }
}

bool BloomFilter::contains(std::int64_t id) const {
    const auto start = hash(id);
    const auto step = mix(start) | 1U;
    for (int probe = 0; probe < probes_; ++probe) {
        const auto bit = (start + static_cast<std::uint64_t>(probe) * step) % (words_.size() * 64);
        if ((words_.at(bit / 64) & (std::uint64_t{1} << (bit % 64))) == 0) return false;
    }
    return true;
}

Filter::Filter(const Options& options, AddedSince added_since)
    : added_since_(std::move(added_since)) {
    if (options.kind == Kind::cuckoo) {
        contents_.emplace<CuckooFilter>(options.capacity);
    } else {
        contents_.emplace<BloomFilter>(options.capacity, options.false_positives);
    }
}

void Filter::fill() { take_in({}); }

void Filter::add(std::int64_t id) {
    const std::scoped_lock lock(contents_mutex_);
    std::visit([&](auto& filter) { filter.add(id); }, contents_);
}

bool Filter::might_exist(std::int64_t id) {
    if (contains(id)) return true;
    if (!faults::mutant("filter_by_its_fill") && !catch_up()) return true;
    return contains(id);
}

bool Filter::contains(std::int64_t id) const {
    const std::shared_lock lock(contents_mutex_);
    return std::visit([&](const auto& filter) { return filter.contains(id); }, contents_);
}

// Whether all is in that was committed before the call.
bool Filter::catch_up() {
    std::unique_lock lock(mutex_);
    // A query that is under way may have been begun too early.
    const auto wanted = begun_ + 1;
    while (answered_ < wanted && failed_ < wanted) {
        if (cursor_.empty()) return false;
        if (running_) {
            ended_.wait(lock);
            continue;
        }
        running_ = true;
        const auto query = ++begun_;
        const auto since = cursor_;
        lock.unlock();
        bool answered = true;
        try {
            take_in(since);
        } catch (const std::exception&) {
            answered = false;
        }
        lock.lock();
        running_ = false;
        (answered ? answered_ : failed_) = query;
        ended_.notify_all();
    }
    return answered_ >= wanted;
}

void Filter::take_in(const std::string& since) {
    const auto added = added_since_(since);
    {
        const std::scoped_lock lock(contents_mutex_);
        std::visit(
            [&](auto& filter) {
                for (const auto id : added.ids) filter.add(id);
            },
            contents_);
    }
    const std::scoped_lock lock(mutex_);
    cursor_ = added.cursor;
}

}  // namespace domain::cache
