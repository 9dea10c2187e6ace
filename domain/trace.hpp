// What ties the steps of one request together across services: W3C Trace Context and a correlation
// id. They travel as headers `traceparent`, `tracestate` if there is one, and `correlation-id`:
// HTTP, outbox, Kafka, and on to the next event.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace domain {

struct Trace {
    std::string traceparent;
    std::string correlation_id;
    std::string tracestate = {};  // what other tracers have to say; empty: nothing

    std::string_view trace_id() const { return std::string_view{traceparent}.substr(3, 32); }
    std::map<std::string, std::string> headers() const;
};

// Goes on from the headers of a caller, which come from outside: what is missing or malformed is
// made anew, but a tracestate: one that is malformed, has more than 512 characters or comes without
// its traceparent is dropped. It makes no span: whoever records one puts that in the caller's place
// first.
Trace continue_trace(std::string_view traceparent, std::string_view correlation_id,
                     std::string_view tracestate = {});
Trace continue_trace(const std::map<std::string, std::string>& headers);

// Whether text may stand in a header and a log line as an id: 1 to 128 visible ASCII characters.
bool is_token(std::string_view text);

}  // namespace domain
