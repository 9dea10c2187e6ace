// Calls the provider for the payments that wait for it, outside of any transaction.
//
// What is asked of the provider is committed before the call, what it answered in a transaction
// after it. A crash in between leaves the payment claimed until the lease has run out; then it is
// called for again, under the same key. Several tellers share the work, in one process or in many.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string_view>

#include "domain/payment/provider.hpp"
#include "domain/pool.hpp"

namespace domain::payment {

class Teller {
public:
    struct Options {
        std::chrono::milliseconds lease{60'000};  // longer than the provider's calls take together
        std::chrono::milliseconds first_backoff{500};
        std::function<void(std::string_view)> log = {};  // one line for each failed call
        // Calls what writes down what the provider said about a payment, which may throw.
        std::function<void(PaymentId, const std::function<void()>&)> settling =
            [](PaymentId, const std::function<void()>& settle) { settle(); };
    };

    Teller(Pool& pool, Provider& provider, Options options);

    // Calls for one payment that is due; false when there is none. Throws only what the database
    // throws.
    bool work();

    // Until told to stop; waits for databases that are away.
    void run(const std::stop_token& stop);

private:
    void call(const Payment& payment);

    Pool& pool_;
    Provider& provider_;
    const Options options_;
};

}  // namespace domain::payment
