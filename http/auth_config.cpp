#include "http/auth_config.hpp"

#include <cstdlib>

#include "http/first_line.hpp"

namespace http {

AuthFlags::AuthFlags(CLI::App& command, Config& config)
    : access_s_(config.token.access.count()), refresh_s_(config.token.refresh.count()) {
    add_tokens(command);
    add_accounts(command, config);
    command
        .add_flag("--grpc-reflection", config.grpc_reflection,
                  "let gRPC clients ask which methods there are")
        ->envname("SHOP_GRPC_REFLECTION");
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
    if (!secret_file_.empty()) {
        config.token.secret = first_line("--jwt-secret-file", secret_file_);
        return;
    }
    for (const auto* name : {"SHOP_JWT_SECRET", "JWT_SECRET"}) {
        const char* secret = std::getenv(name);
        if (secret != nullptr && config.token.secret.empty()) config.token.secret = secret;
    }
}

}  // namespace http
