// Looks, again and again, for sagas whose time is over or for which an operator has asked for
// something, and has the service see to them; in a thread and on a connection of its own, until it
// goes. Every process of the orchestrator has one: whichever comes first does it.
#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "domain/pool.hpp"
#include "domain/saga/saga_service.hpp"
#include "http/log.hpp"

namespace http::orchestrator {

class Sweeper {
public:
    // The service and the log must outlive it.
    Sweeper(domain::saga::SagaService& service, const std::string& dsn,
            std::chrono::milliseconds interval, Log& log);

private:
    void run(const std::stop_token& stop);

    domain::saga::SagaService& service_;
    domain::Pool pool_;
    const std::chrono::milliseconds interval_;
    Log& log_;
    std::jthread thread_;
};

}  // namespace http::orchestrator
