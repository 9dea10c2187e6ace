// All six services in one process, on databases of their own; and HAProxy as ops/edge has it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "integration/shop_process.hpp"
#include "support/process.hpp"

namespace support {

class AllServices {
public:
    // Returns once every service is ready.
    AllServices();

    const std::string& address(const std::string& service) const { return shop_.address(service); }
    Process& process() { return shop_.process(); }

private:
    ShopDatabases databases_{all_services()};
    ShopProcess shop_;
};

class Edge {
public:
    // addresses: as {"account", host:port}; {"account_2", …} is a second instance. Returns once
    // HAProxy listens.
    explicit Edge(const std::map<std::string, std::string>& addresses);

    const std::string& address() const { return address_; }
    Process& process() { return *haproxy_; }

private:
    std::string address_;
    std::optional<Process> haproxy_;
};

}  // namespace support
