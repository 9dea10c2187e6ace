// `shop serve` under test, with databases and topics of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/database.hpp"
#include "support/environment.hpp"
#include "support/process.hpp"

namespace support {

// The databases of the services. Relays and shops come and go above them.
struct ShopDatabases {
    Database order{{"outbox", "order"}};
    Database payment{{"outbox", "payment"}};
    std::string topic_prefix = unique_name("shop") + ".";  // also of the consumer groups
};

class ShopProcess {
public:
    // Returns once every service listens.
    explicit ShopProcess(const ShopDatabases& databases,
                         const std::vector<std::string>& services = {"order", "payment"},
                         const std::map<std::string, std::string>& environment = {});

    // Of any services, whose databases and listeners the environment names.
    ShopProcess(const std::vector<std::string>& services,
                const std::map<std::string, std::string>& environment);

    const std::string& address(const std::string& service) const { return addresses_.at(service); }
    const std::string& grpc(const std::string& service) const { return grpc_.at(service); }
    Process& process() { return process_; }

private:
    Process process_;
    std::map<std::string, std::string> addresses_, grpc_;
};

}  // namespace support
