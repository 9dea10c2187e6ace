#include "http/openapi/docs_routes.hpp"

#include <algorithm>

#include "http/openapi/documents.hpp"

namespace http::openapi {
namespace {

const Document* find(std::string_view name) {
    const auto all = documents();
    const auto found = std::ranges::find(all, name, &Document::name);
    return found == all.end() ? nullptr : &*found;
}

Handler serving(const std::string& name) {
    return [name](const Request&) -> Outcome {
        const auto* const document = find(name);
        if (document == nullptr) return tl::unexpected(Problem{404, "there is no " + name});
        return Response{.body = std::string{document->text}};
    };
}

// For a page and what it loads: whatever may get into a document, nothing else is loaded or asked.
Response shown(const Document& document, const char* type) {
    return {.body = std::string{document.text},
            .content_type = type,
            .headers = {{"Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"}}};
}

Outcome show_page(const Request&) { return shown(*find("docs.html"), "text/html; charset=utf-8"); }

Outcome show_asset(const Request& request) {
    const auto& name = request.parameters.at("asset");
    const auto* const document = find(name);
    if (document != nullptr && name.ends_with(".css"))
        return shown(*document, "text/css; charset=utf-8");
    if (document != nullptr && name.ends_with(".js"))
        return shown(*document, "text/javascript; charset=utf-8");
    return tl::unexpected(Problem{404, "there is nothing here"});
}

}  // namespace

void add_routes(Dispatcher& dispatcher, const std::string& service) {
    dispatcher.on("GET", "/openapi.json", serving(service + ".json"));
    dispatcher.on("GET", "/asyncapi.json", serving("asyncapi.json"));
    dispatcher.on("GET", "/docs", show_page);
    dispatcher.on("GET", "/docs/:asset", show_asset);
}

}  // namespace http::openapi
