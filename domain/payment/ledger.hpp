// The provider that keeps the books itself: double entry in schema payment of the service's own
// database. It never declines; the limits have been applied before.
#pragma once

#include "domain/payment/provider.hpp"
#include "domain/pool.hpp"

namespace domain::payment {

class Ledger final : public Provider {
public:
    explicit Ledger(Pool& pool) : pool_(pool) {}

    std::string_view name() const override { return "ledger"; }
    Verdict take(const Payment& payment) override;
    void refund(const Payment& payment) override;
    std::vector<Verdict> take_within(pqxx::transaction_base& tx,
                                     std::span<const Payment> payments) override;
    bool refund_within(pqxx::transaction_base& tx, std::span<const Payment> payments) override;

private:
    Pool& pool_;
};

}  // namespace domain::payment
