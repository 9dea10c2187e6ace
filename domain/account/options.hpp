// What operations decide about accounts.
#pragma once

#include <chrono>
#include <cstddef>

namespace domain::account {

// argon2id, by default with RFC 9106's second recommendation (but one lane: libsodium has no more).
struct HashOptions {
    unsigned long long passes = 3;
    std::size_t memory_kib = 65'536;
    std::size_t at_once = 4;               // so many times memory_kib is used at most
    std::chrono::milliseconds wait{1000};  // for a turn
};

// Logins that failed or have not ended, by account and by address, in a window.
struct ThrottleOptions {
    int of_account = 10;
    int of_address = 100;
    std::chrono::seconds window{300};
};

struct Options {
    HashOptions hash;
    ThrottleOptions throttle;
};

}  // namespace domain::account
