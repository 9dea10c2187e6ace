// Who may call by gRPC, and whether it is encrypted: of the servers and the clients of this
// process.
#pragma once

#include <string>

namespace http {

struct GrpcSecurity {
    std::string token{};               // that every caller shows; empty: anyone may call
    std::string certificate{}, key{};  // PEM, of the servers here; empty: plaintext
    std::string authority{};  // PEM, by which the servers that are asked are known; the same
};

}  // namespace http
