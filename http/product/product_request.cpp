#include "http/product/product_request.hpp"

#include <algorithm>
#include <charconv>
#include <format>
#include <optional>

#include "http/json_body.hpp"

namespace http::product {
namespace {

using domain::product::longest_description;
using domain::product::longest_name;
using domain::product::most;
using nlohmann::json;

constexpr Range amount{0, most};

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t'; }

tl::expected<std::string, Problem> text(const json& object, const char* name, std::size_t longest) {
    auto given = string_member(object, name);
    if (!given) return given;
    if (given->empty() || given->size() > longest || std::ranges::any_of(*given, is_control)) {
        return tl::unexpected(invalid(
            name, std::format("must have 1 to {} bytes, and no control characters", longest)));
    }
    return given;
}

tl::expected<std::int64_t, Problem> number(const Request& request, const char* name, Range range,
                                           std::int64_t otherwise) {
    const auto found = request.query.find(name);
    if (found == request.query.end()) return otherwise;
    const std::string_view given = found->second;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
    if (error != std::errc{} || end != given.data() + given.size() || value < range.least ||
        value > range.most) {
        return tl::unexpected(invalid(
            name, std::format("must be a whole number from {} to {}", range.least, range.most)));
    }
    return value;
}

// Reads fields one after the other, until one is wrong.
class Fields {
public:
    explicit Fields(const std::string& body) { take(json_object(body), object_); }

    void text(const char* name, std::size_t longest, std::string& to) {
        if (!problem_) take(product::text(object_, name, longest), to);
    }
    void number(const char* name, Range range, std::int64_t& to) {
        if (!problem_) take(whole_number(object_, name, {}, range), to);
    }
    bool has(const char* name) const { return !problem_ && object_.contains(name); }

    template <class Value>
    tl::expected<Value, Problem> or_problem(Value value) const {
        if (problem_) return tl::unexpected(*problem_);
        return value;
    }

private:
    template <class Value>
    void take(tl::expected<Value, Problem> read, Value& to) {
        if (read) {
            to = std::move(*read);
        } else {
            problem_ = std::move(read.error());
        }
    }

    json object_;
    std::optional<Problem> problem_;
};

}  // namespace

tl::expected<domain::product::Product, Problem> read_product(const std::string& body) {
    domain::product::Product product{};
    Fields fields{body};
    fields.number("category_id", {1, INT64_MAX}, product.category.value);
    fields.text("name", longest_name, product.name);
    fields.text("brand_name", longest_name, product.brand_name);
    fields.text("description", longest_description, product.description);
    fields.number("price", amount, product.price);
    fields.number("inventory", amount, product.inventory);
    return fields.or_problem(std::move(product));
}

tl::expected<domain::product::Category, Problem> read_category(const std::string& body) {
    domain::product::Category category{};
    Fields fields{body};
    fields.text("name", longest_name, category.name);
    fields.text("description", longest_description, category.description);
    return fields.or_problem(std::move(category));
}

tl::expected<domain::product::Changes, Problem> read_changes(const std::string& body) {
    domain::product::Changes changes{};
    Fields fields{body};
    if (fields.has("name")) fields.text("name", longest_name, changes.name.emplace());
    if (fields.has("brand_name"))
        fields.text("brand_name", longest_name, changes.brand_name.emplace());
    if (fields.has("description"))
        fields.text("description", longest_description, changes.description.emplace());
    if (fields.has("price")) fields.number("price", amount, changes.price.emplace());
    auto read = fields.or_problem(std::move(changes));
    if (read && !read->name && !read->brand_name && !read->description && !read->price) {
        return tl::unexpected(
            Problem{400, "give at least one of name, brand_name, description and price"});
    }
    return read;
}

tl::expected<domain::product::store::Page, Problem> read_page(const Request& request) {
    if (request.query.contains("after") && request.query.contains("offset")) {
        return tl::unexpected(invalid("after", "cannot be given with offset"));
    }
    domain::product::store::Page page;
    const auto after = number(request, "after", {0, INT64_MAX}, page.after);
    if (!after) return tl::unexpected(after.error());
    const auto offset = number(request, "offset", {0, INT64_MAX}, page.offset);
    if (!offset) return tl::unexpected(offset.error());
    const auto size = number(request, "size", {1, 500}, page.size);
    if (!size) return tl::unexpected(size.error());
    return domain::product::store::Page{*after, *offset, *size};
}

}  // namespace http::product
