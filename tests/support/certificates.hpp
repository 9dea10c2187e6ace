// Two authorities, and a server's certificate by the first of them, for the host name localhost
// alone. Made by the program openssl; removed by scope.
#pragma once

#include <filesystem>

namespace support {

class Certificates {
public:
    Certificates();
    ~Certificates();
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;

    std::filesystem::path authority() const { return dir_ / "ca.pem"; }
    std::filesystem::path stranger() const { return dir_ / "stranger.pem"; }  // who signed nothing
    std::filesystem::path certificate() const { return dir_ / "server.pem"; }
    std::filesystem::path key() const {
        return dir_ / "server.key";
    }  // for the user postgres alone
    std::filesystem::path both() const { return dir_ / "keystore.pem"; }

private:
    std::filesystem::path dir_;
};

}  // namespace support
