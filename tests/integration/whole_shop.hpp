// The whole shop: six services in one process, their databases behind one relay, Kafka in between;
// and what a customer says to it over HTTP.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"

namespace integration {

// A configuration of the relay for all of the databases, in a file that goes with this object.
class RelayFile {
public:
    explicit RelayFile(const support::ShopDatabases& databases);
    ~RelayFile();
    RelayFile(const RelayFile&) = delete;
    RelayFile& operator=(const RelayFile&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

class WholeShop : public testing::Test {
protected:
    using json = nlohmann::json;  // NOLINT(readability-identifier-naming): the library's own
    using Headers = std::map<std::string, std::string>;

    explicit WholeShop(const std::map<std::string, std::string>& environment = {});

    // As who holds the token, if there is one.
    support::Answer say(const std::string& service, const std::string& method,
                        const std::string& path, const std::string& body = {},
                        Headers headers = {}) const;
    // The answer's JSON, which must have come with this status.
    json ask(int status, const std::string& service, const std::string& method,
             const std::string& path, const std::string& body = {},
             const Headers& headers = {}) const;
    // Waits until the purchase has ended, and tells how.
    json await_end(std::int64_t purchase) const;

    std::string topic(const std::string& name) const { return databases_.topic_prefix + name; }

    support::ShopDatabases databases_{support::all_services()};
    RelayFile relay_file_{databases_};
    std::string token_;

private:
    support::Process relay_{
        {.argv = {support::bin("postroom"), "relay", "--config", relay_file_.path()}}};
    support::ShopProcess shop_;
};

}  // namespace integration
