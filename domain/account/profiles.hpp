// What customers tell of themselves: as the database has it, and the same remembered.
//
//   StoredProfiles stored{pool};
//   CachedProfiles profiles{stored, cache};    // keys get_personal:ID and get_delivery:ID
//
// Neither passwords nor tokens are here, and nothing that decides who may do what. Thread-safe.
#pragma once

#include <optional>
#include <tl/expected.hpp>

#include "domain/account/account.hpp"
#include "domain/cache/cached.hpp"
#include "domain/pool.hpp"
#include "domain/trace.hpp"

namespace domain::account {

class Profiles {
public:
    virtual ~Profiles() = default;
    // Nothing when there is no such account.
    virtual std::optional<Personal> personal(CustomerId id) = 0;
    virtual std::optional<Delivery> delivery(CustomerId id) = 0;
    // With its AccountChanged. conflict names email or phone_number.
    virtual tl::expected<void, Refusal> change(CustomerId id, const Personal& personal,
                                               const Trace& trace) = 0;
    virtual tl::expected<void, Refusal> change(CustomerId id, const Delivery& delivery,
                                               const Trace& trace) = 0;
};

class StoredProfiles : public Profiles {
public:
    explicit StoredProfiles(Pool& pool) : pool_(pool) {}
    std::optional<Personal> personal(CustomerId id) override;
    std::optional<Delivery> delivery(CustomerId id) override;
    tl::expected<void, Refusal> change(CustomerId id, const Personal& personal,
                                       const Trace& trace) override;
    tl::expected<void, Refusal> change(CustomerId id, const Delivery& delivery,
                                       const Trace& trace) override;

private:
    Pool& pool_;
};

class CachedProfiles : public Profiles {
public:
    CachedProfiles(Profiles& profiles, cache::Cached& cache) : profiles_(profiles), cache_(cache) {}
    std::optional<Personal> personal(CustomerId id) override;
    std::optional<Delivery> delivery(CustomerId id) override;
    tl::expected<void, Refusal> change(CustomerId id, const Personal& personal,
                                       const Trace& trace) override;
    tl::expected<void, Refusal> change(CustomerId id, const Delivery& delivery,
                                       const Trace& trace) override;

private:
    Profiles& profiles_;
    cache::Cached& cache_;
};

}  // namespace domain::account
