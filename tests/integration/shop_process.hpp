// `shop serve` under test, with databases and topics of its own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "domain/token.hpp"
#include "support/database.hpp"
#include "support/environment.hpp"
#include "support/process.hpp"

namespace support {

// What the services show each other over gRPC, in a file that goes with this object.
class TokenFile {
public:
    static constexpr auto token = "the-token-of-the-services";
    TokenFile();
    ~TokenFile();
    TokenFile(const TokenFile&) = delete;
    TokenFile& operator=(const TokenFile&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

std::string upper(std::string text);  // as it stands in an environment variable's name

const std::vector<std::string>& all_services();
const std::vector<std::string>& all_topics();  // of the contract, without a prefix

// The databases of some services. Relays and shops come and go above them.
class ShopDatabases {
public:
    explicit ShopDatabases(const std::vector<std::string>& services);

    const Database& of(const std::string& service) const { return databases_.at(service); }

    // Makes shops of these services work here: each as its own role, at addresses of their own. If
    // account is not among them, nobody answers for it, and a token that is right in itself counts.
    const std::map<std::string, std::string>& environment() const { return environment_; }

    // Itself, once there are all topics, of one partition. Without any, a consumer is in no group.
    const ShopDatabases& with_topics() const;

    const std::string topic_prefix = unique_name("shop") + ".";  // also of the consumer groups

private:
    TokenFile token_;
    std::map<std::string, Database> databases_;
    std::map<std::string, std::string> environment_;
};

// An access token of the customer, as such shops believe it.
std::string token_of(std::int64_t customer,
                     domain::token::Role role = domain::token::Role::customer);

class ShopProcess {
public:
    // Returns once every service listens. The environment goes before that of the databases.
    ShopProcess(const ShopDatabases& databases, const std::vector<std::string>& services,
                std::map<std::string, std::string> environment = {});

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
