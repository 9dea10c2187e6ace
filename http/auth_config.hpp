// The configuration of tokens, passwords, logins and gRPC: part of read_config.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "http/config.hpp"

namespace http {

// Adds the flags to the command. Lives until it is parsed; read() then completes the configuration,
// and throws CLI::ValidationError for a secret that cannot be read.
class AuthFlags {
public:
    AuthFlags(CLI::App& command, Config& config);
    void read(Config& config) const;

private:
    void add_tokens(CLI::App& command);
    static void add_accounts(CLI::App& command, Config& config);

    void add_grpc(CLI::App& command, Config& config);

    std::string secret_file_;
    std::string grpc_token_file_, grpc_certificate_file_, grpc_key_file_, grpc_authority_file_;
    long access_s_, refresh_s_;
};

}  // namespace http
