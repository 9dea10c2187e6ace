// Stripe as far as payments need it, with a memory and with faults: stripe-mock knows Stripe's
// whole API but forgets every request. So each request is shown to stripe-mock first, and answered
// with its error unless it conforms; what is done with it is done here.
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "support/process.hpp"

namespace integration {

class StripeDouble {
public:
    StripeDouble();
    ~StripeDouble();
    StripeDouble(const StripeDouble&) = delete;
    StripeDouble& operator=(const StripeDouble&) = delete;

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

    // The next request whose path ends so is done, but not answered before this object goes.
    void hang_after(const std::string& path_end);
    int hung() const;

    // Of one purchase: how often its money was taken, and how much of it has not been given back.
    int charges(std::int64_t purchase) const;
    std::int64_t held(std::int64_t purchase) const;

private:
    struct Intent {
        std::int64_t purchase, amount;
        std::string status;
        std::int64_t refunded = 0;
    };
    struct Answer {
        int status;
        nlohmann::json body;
    };

    void serve(const httplib::Request& request, httplib::Response& response);
    Answer conform(const httplib::Request& request) const;
    Answer perform(const httplib::Request& request);
    Answer step(Intent& intent, const std::string& id, const httplib::Request& request);

    int mock_port_ = 0;
    std::unique_ptr<support::Process> mock_;
    mutable std::mutex mutex_;
    std::condition_variable going_;
    std::map<std::string, Answer> answered_;  // by idempotency key
    std::map<std::string, Intent> intents_;
    std::string hang_after_;
    int hung_ = 0;
    bool gone_ = false;
    httplib::Server server_;
    int port_;
    std::jthread thread_;
};

}  // namespace integration
