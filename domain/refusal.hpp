// An expected "no": the business refuses, and says why in words for the person who asked.
//
//   if (!paid()) return tl::unexpected(Refusal{Refusal::Reason::conflict, "the order is not
//   paid"});
#pragma once

#include <chrono>
#include <string>
#include <tl/expected.hpp>

namespace domain {

struct Refusal {
    enum class Reason {
        invalid,          // the request can never be served as it is
        unknown,          // something that it names does not exist
        conflict,         // it contradicts what has already happened
        reused_key,       // its idempotency key belongs to another request
        unauthenticated,  // nobody knows who asks
        forbidden,        // it is known who asks, and that they may not
        too_often,        // it may be asked again after retry_after
        busy,             // there is no room for it before retry_after
    };
    Reason reason;
    std::string detail;
    std::string field = {};  // the part of the request that is meant, when there is one
    std::chrono::seconds retry_after = {};
    bool operator==(const Refusal&) const = default;
};

}  // namespace domain
