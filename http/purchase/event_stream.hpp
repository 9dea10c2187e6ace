// What became of one purchase, as server-sent events (html.spec.whatwg.org, section 9.2):
//
//   id: 1
//   event: data
//   data: {"purchase_id":42,"step":"UPDATE_PRODUCT_INVENTORY","status":"EXECUTE","timestamp":"…"}
//
// First what has happened after the number that the client has seen, then each event as it comes,
// until the one that ends the purchase, which says "success" as well. Comments in between keep the
// connection and show that a client is gone. Ends as well after a time, and when the server stops:
// the client comes back with Last-Event-ID, and misses nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "domain/purchase/purchase_service.hpp"
#include "http/message.hpp"
#include "http/purchase/feed.hpp"

namespace http::purchase {

struct EventStreamOptions {
    std::chrono::milliseconds heartbeat{10'000};
    std::chrono::milliseconds lifetime{300'000};
};

// As the client sends it; 0 when there is none, or it is none of ours.
std::int64_t last_event_id(std::string_view header);

// A body of text/event-stream. The service must outlive it.
Stream event_stream(domain::purchase::PurchaseService& service, domain::PurchaseId id,
                    std::int64_t after, std::shared_ptr<Feed::Watch> watch,
                    EventStreamOptions options = {});

}  // namespace http::purchase
