// A saga's command as it arrives from Kafka: parsed at this edge, its trace continued.
//
//   const domain::order::RollBack input{command(message)};
#pragma once

#include <outbox/consumer.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/participant.hpp"
#include "domain/trace.hpp"

namespace http {

// What a reader makes of the payload; a payload that it refuses is a dead letter.
template <class Event>
Event read(tl::expected<Event, std::string> (*reader)(std::string_view),
           const outbox::Message& message) {
    auto event = reader(message.payload);
    if (!event) throw outbox::PoisonMessage(event.error());
    return std::move(*event);
}

// The trace of what a message causes.
inline domain::Trace trace_of(const outbox::Message& message) {
    return domain::continue_trace(outbox::caused_by(message));
}

inline domain::Command command(const outbox::Message& message) {
    auto read = domain::read_command(message.type, message.payload, trace_of(message).headers());
    if (!read) throw outbox::PoisonMessage(read.error());
    return std::move(*read);
}

}  // namespace http
