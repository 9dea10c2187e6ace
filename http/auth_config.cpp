#include "http/auth_config.hpp"

#include <fstream>
#include <iterator>

#include "http/first_line.hpp"

namespace http {
namespace {

constexpr std::size_t least_grpc_token = 16;

// Empty when no file is named.
std::string whole(const char* flag, const std::string& path) {
    if (path.empty()) return {};
    std::ifstream file(path);
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (text.empty()) throw CLI::ValidationError(flag, "cannot read " + path);
    return text;
}

}  // namespace

AuthFlags::AuthFlags(CLI::App& command, Config& config)
    : access_s_(config.token.access.count()), refresh_s_(config.token.refresh.count()) {
    add_tokens(command);
    add_accounts(command, config);
    add_grpc(command, config);
}

void AuthFlags::add_grpc(CLI::App& command, Config& config) {
    command
        .add_flag("--grpc-reflection", config.grpc_reflection,
                  "let gRPC clients ask which methods there are")
        ->envname("SHOP_GRPC_REFLECTION");
    command
        .add_option("--grpc-token-file", grpc_token_file_,
                    "a file whose first line, of at least 16 bytes, every gRPC caller has to show: "
                    "the same for every service")
        ->envname("SHOP_GRPC_TOKEN_FILE");
    command
        .add_flag("--grpc-without-token", config.grpc_without_token,
                  "serve and call without one: anyone who reaches a gRPC port may call")
        ->envname("SHOP_GRPC_WITHOUT_TOKEN");
    auto* certificate = command
                            .add_option("--grpc-certificate-file", grpc_certificate_file_,
                                        "PEM: gRPC is served by TLS, with this; else plaintext")
                            ->envname("SHOP_GRPC_CERTIFICATE_FILE");
    command.add_option("--grpc-key-file", grpc_key_file_, "PEM: its key")
        ->envname("SHOP_GRPC_KEY_FILE")
        ->needs(certificate);
    command
        .add_option("--grpc-ca-file", grpc_authority_file_,
                    "PEM: gRPC servers are asked by TLS, and known by this; else plaintext")
        ->envname("SHOP_GRPC_CA_FILE");
}

void AuthFlags::add_tokens(CLI::App& command) {
    command
        .add_option("--jwt-secret-file", secret_file_,
                    "a file whose first line signs tokens: at least 32 bytes, the same for every "
                    "service. Or the environment has it, as SHOP_JWT_SECRET or JWT_SECRET")
        ->envname("SHOP_JWT_SECRET_FILE");
    command.add_option("--access-token-s", access_s_, "how long an access token counts")
        ->envname("JWT_ACCESS_TOKEN_EXPIRE_SECOND")
        ->check(CLI::Range(1, 31'536'000))
        ->capture_default_str();
    command
        .add_option("--refresh-token-s", refresh_s_,
                    "how long a refresh token counts, and with it a login that nobody uses")
        ->envname("JWT_REFRESH_TOKEN_EXPIRE_SECOND")
        ->check(CLI::Range(1, 31'536'000))
        ->capture_default_str();
}

void AuthFlags::add_accounts(CLI::App& command, Config& config) {
    auto& hash = config.account.hash;
    command.add_option("--password-passes", hash.passes, "argon2id's passes")
        ->envname("SHOP_PASSWORD_PASSES")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    command
        .add_option("--password-memory-kib", hash.memory_kib, "argon2id's memory, for each hash")
        ->envname("SHOP_PASSWORD_MEMORY_KIB")
        ->check(CLI::Range(8, 4'194'304))
        ->capture_default_str();
    command
        .add_option("--password-hashes", hash.at_once,
                    "passwords hashed at the same time; more wait 1 s, and then get a 503")
        ->envname("SHOP_PASSWORD_HASHES")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    auto& throttle = config.account.throttle;
    command
        .add_option("--logins-of-account", throttle.of_account,
                    "failed logins for one e-mail address in 5 minutes; more get a 429")
        ->envname("SHOP_LOGINS_OF_ACCOUNT")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    command
        .add_option("--logins-of-address", throttle.of_address,
                    "the same from one network address: a proxy in front counts as one")
        ->envname("SHOP_LOGINS_OF_ADDRESS")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
}

void AuthFlags::read(Config& config) const {
    config.token.access = std::chrono::seconds{access_s_};
    config.token.refresh = std::chrono::seconds{refresh_s_};
    if (refresh_s_ < access_s_) {
        throw CLI::ValidationError("--refresh-token-s",
                                   "must not be shorter than --access-token-s");
    }
    auto& grpc = config.grpc_security;
    grpc.certificate = whole("--grpc-certificate-file", grpc_certificate_file_);
    grpc.key = whole("--grpc-key-file", grpc_key_file_);
    grpc.authority = whole("--grpc-ca-file", grpc_authority_file_);
    if (!grpc_token_file_.empty()) {
        grpc.token = first_line("--grpc-token-file", grpc_token_file_);
        if (grpc.token.size() < least_grpc_token)
            throw CLI::ValidationError("--grpc-token-file", "the token needs at least 16 bytes");
    }
    if (grpc.certificate.empty() != grpc.key.empty())
        throw CLI::ValidationError("--grpc-certificate-file", "needs --grpc-key-file");
    config.token.secret = secret_of("--jwt-secret-file", secret_file_, "SHOP_JWT_SECRET");
}

}  // namespace http
