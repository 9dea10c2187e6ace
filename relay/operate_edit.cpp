// How an operator edits a dead event: the command "dead edit".
#include <fstream>
#include <iterator>

#include "relay/operate.hpp"

namespace relay {
namespace {

constexpr auto edit_sql = R"(
select * from outbox.edit_dead($1::uuid, $2, $3::jsonb, decode($4, 'hex'), $5, $6::jsonb))";

std::string in_hex(const std::string& file) {
    std::ifstream in{file, std::ios::binary};
    if (!in) throw std::invalid_argument{"cannot read '" + file + "'"};
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    for (std::istreambuf_iterator<char> byte{in}, end; byte != end; ++byte) {
        const auto value = static_cast<unsigned char>(*byte);
        hex += digits[value >> 4U];
        hex += digits[value & 15U];
    }
    return hex;
}

}  // namespace

void Operate::add_edit(CLI::App& dead) {
    auto& command =
        add(dead, "edit", "Replace its content or headers; then retry it. The event itself stays",
            "dead edit ID --payload '{\"amount\": 10}' --reason 'amount was missing'",
            [this] { return edit(); });
    add_ids(command, 1);
    auto* payload = command.add_option("--payload", payload_, "JSON content");
    command.add_option("--body-file", body_file_, "a file of content that is not JSON")
        ->check(CLI::ExistingFile)
        ->excludes(payload);
    command.add_option("--content-type", content_type_, "of the new content");
    command.add_option("--headers", headers_, "a JSON object: all of its headers");
    command.add_option("--reason", reason_, "for the audit trail")->required();
}

int Operate::edit() const {
    const auto body = body_file_ ? std::optional{in_hex(*body_file_)} : std::nullopt;
    return list(edit_sql, {ids_.front(), reason_, payload_, body, content_type_, headers_});
}

}  // namespace relay
