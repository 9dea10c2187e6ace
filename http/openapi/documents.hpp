// What documents.py made of the API's documents, and of the UI that shows them.
#pragma once

#include <span>
#include <string_view>

namespace http::openapi {

struct Document {
    std::string_view name;  // account.json, asyncapi.json, docs.html, swagger-ui.css, …
    std::string_view text;
};

std::span<const Document> documents();

}  // namespace http::openapi
