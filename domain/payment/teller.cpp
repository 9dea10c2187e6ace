#include "domain/payment/teller.hpp"

#include <format>
#include <pqxx/pqxx>

#include "domain/payment/payment_service.hpp"
#include "domain/payment/payment_store.hpp"
#include "domain/transact.hpp"
#include "faults.hpp"

namespace domain::payment {

Teller::Teller(Pool& pool, Provider& provider, Options options)
    : pool_(pool), provider_(provider), options_(std::move(options)) {}

bool Teller::work() {
    const auto claimed = transact(pool_, [&](pqxx::work& tx) {
        return store::claim(tx, provider_.name(), 1, options_.lease);
    });
    for (const auto& payment : claimed) {
        try {
            call(payment);
        } catch (const pqxx::failure&) {
            throw;
        } catch (const std::exception& error) {
            if (options_.log)
                options_.log(std::format("payment {}: {} has not answered: {}", payment.id.value,
                                         provider_.name(), error.what()));
            transact(pool_, [&](pqxx::work& tx) {
                store::postpone(tx, payment.id, options_.first_backoff);
                return true;
            });
        }
    }
    return !claimed.empty();
}

void Teller::call(const Payment& payment) {
    const auto record = [&](auto settle_it) {
        options_.settling(payment.id, [&] {
            transact(pool_,
                     [&](pqxx::work& tx) {
                         settle_it(tx);
                         return true;
                     },
                     {.repeatable = true});
        });
    };
    faults::crash_point("before_provider");
    if (payment.taken) {
        provider_.refund(payment);
        faults::crash_point("after_refund");
        record([&](pqxx::work& tx) { settle_refund(tx, payment.id); });
    } else {
        const auto verdict = provider_.take(payment);
        faults::crash_point("after_take");
        record([&](pqxx::work& tx) { settle(tx, payment.id, verdict); });
    }
}

void Teller::run(const std::stop_token& stop) {
    for (int failures = 0; !stop.stop_requested();) {
        try {
            pqxx::connection news{pool_.dsn()};
            news.listen("payment_due", [](const pqxx::notification&) {});
            while (!stop.stop_requested()) {
                if (!work()) news.await_notification(1, 0);
                failures = 0;
            }
        } catch (const std::exception& error) {
            if (options_.log) options_.log(error.what());
            pause_before(std::min(++failures + 1, 5));
        }
    }
}

}  // namespace domain::payment
