#include "integration/all_services.hpp"

#include "faults.hpp"
#include "integration/raw_http.hpp"
#include "support/environment.hpp"
#include "support/loopback.hpp"
#include "support/wait.hpp"

namespace support {

AllServices::AllServices()
    : shop_{databases_.with_topics(),
            all_services(),
            {{"SHOP_OPERATOR_TOKEN", "operator-token-of-the-tests"},
             {"SHOP_TRUSTED_PROXY", "127.0.0.1"},
             {"SHOP_PASSWORD_PASSES", "1"},
             {"SHOP_PASSWORD_MEMORY_KIB", "1024"}}} {
    for (const auto& name : all_services()) {
        eventually(std::chrono::seconds{30}, name + " to be ready",
                   [&] { return request(address(name), "GET", "/readyz").status == 200; });
    }
}

Edge::Edge(const std::map<std::string, std::string>& addresses)
    : address_("127.0.0.1:" + std::to_string(free_port())) {
    std::map<std::string, std::string> environment{{"EDGE_LISTEN", address_}};
    for (const auto& [name, address] : addresses) environment["EDGE_" + upper(name)] = address;
    const std::string configuration = source_dir() / "ops/edge/haproxy.cfg";
    std::vector<std::string> argv{"/usr/sbin/haproxy", "-f", configuration};
    if (faults::mutant("open_edge"))  // every path leads somewhere
        argv = {"/bin/bash", "-c",
                "exec /usr/sbin/haproxy -f <(sed 's/default_backend nothing/default_backend "
                "product/' \"$0\")",
                configuration};
    haproxy_.emplace(Process::Options{.argv = argv, .env = environment});
    eventually(std::chrono::seconds{20}, "HAProxy to listen", [&] {
        if (!haproxy_->running()) throw std::runtime_error("it ended: " + haproxy_->output());
        try {
            return request(address_, "GET", "/livez").status == 200;
        } catch (const std::runtime_error&) {
            return false;
        }
    });
}

}  // namespace support
