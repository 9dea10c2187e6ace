#include "support/certificates.hpp"

#include <stdexcept>

#include "support/environment.hpp"
#include "support/process.hpp"

namespace support {
namespace {

constexpr auto script = R"(
set -e
cd "$1"
make() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "$@"; }
make -subj /CN=authority -keyout ca.key -out ca.pem
make -subj /CN=stranger -keyout stranger.key -out stranger.pem
make -subj /CN=localhost -keyout server.key -out server.pem -CA ca.pem -CAkey ca.key \
    -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE
cat server.key server.pem >keystore.pem
chown postgres server.key
chmod 0600 *.key
)";

}  // namespace

Certificates::Certificates()
    : dir_{std::filesystem::temp_directory_path() / unique_name("certificates")} {
    std::filesystem::create_directories(dir_);
    Process make{{.argv = {"/bin/bash", "-c", script, "make", dir_}}};
    if (make.wait(std::chrono::seconds{30}) != 0) throw std::runtime_error{make.output()};
}

Certificates::~Certificates() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

}  // namespace support
