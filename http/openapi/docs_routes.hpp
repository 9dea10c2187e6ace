// GET /openapi.json and /asyncapi.json, and /docs, which shows them to people. All of it is
// compiled in.
#pragma once

#include <string>

#include "http/dispatcher.hpp"

namespace http::openapi {

// Of this service: one that has a document.
void add_routes(Dispatcher& dispatcher, const std::string& service);

}  // namespace http::openapi
