// What a publishing relay does beside publishing: measures what is pending, tells the database what
// troubles it, and keeps the tables in order. From a thread and a connection of its own; what fails
// is logged and tried again.
#pragma once

#include <stop_token>
#include <thread>

#include "relay/settings.hpp"
#include "relay/status.hpp"

namespace relay {

class Housekeeping {
public:
    Housekeeping(const Settings& settings, Status& status);
    ~Housekeeping();
    Housekeeping(const Housekeeping&) = delete;
    Housekeeping& operator=(const Housekeeping&) = delete;

private:
    void keep(const std::stop_token& stop);

    const Settings& settings_;
    Status& status_;
    std::jthread thread_;
};

}  // namespace relay
