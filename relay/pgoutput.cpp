#include "relay/pgoutput.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace relay {
namespace {

// Takes a message apart from its front.
class Reader {
public:
    explicit Reader(std::string_view message) : rest_{message} {}

    template <typename Integer>
    Integer number() {
        Integer value;
        std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
        return std::byteswap(value);
    }
    char letter() { return bytes(1).front(); }
    std::string_view bytes(std::size_t size) {
        if (rest_.size() < size) fail();
        const auto taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    std::string_view name() {
        const auto taken = bytes(std::min(rest_.find('\0'), rest_.size()));
        bytes(1);
        return taken;
    }
    std::string_view rest() const { return rest_; }

    [[noreturn]] static void fail() {
        throw std::runtime_error{"an unexpected message from a replication slot"};
    }

private:
    std::string_view rest_;
};

constexpr auto none = BatchBuilder::columns;

std::vector<std::size_t> read_layout(Reader& message) {
    const std::string table = std::string{message.name()} + "." + std::string{message.name()};
    message.letter();  // replica identity
    std::vector<std::size_t> layout(message.number<std::uint16_t>());
    for (auto& column : layout) {
        message.letter();  // flags
        const auto& names = BatchBuilder::names;
        column = static_cast<std::size_t>(std::ranges::find(names, message.name()) - names.begin());
        message.bytes(8);  // type and modifier
    }
    for (std::size_t column = 0; column < none; ++column)
        if (std::ranges::find(layout, column) == layout.end())
            throw std::runtime_error{"the publication postroom gives no column " +
                                     std::string{BatchBuilder::names[column]} + " of " + table +
                                     ": it is for outbox.event alone, and whole"};
    return layout;
}

BatchBuilder::Fields read_row(Reader& message, const std::vector<std::size_t>& layout) {
    if (message.letter() != 'N' || message.number<std::uint16_t>() != layout.size()) Reader::fail();
    BatchBuilder::Fields fields;
    for (const auto column : layout) {
        const char kind = message.letter();
        if (kind == 'n') continue;
        if (kind != 'b' && (kind != 't' || column != none)) Reader::fail();
        const auto value = message.bytes(message.number<std::uint32_t>());
        if (column != none) fields[column] = {value.data(), value.size()};
    }
    return fields;
}

template <typename Integer>
void append(std::string& message, Integer value) {
    value = std::byteswap(value);
    message.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

Streamed Pgoutput::parse(std::string_view message) {
    Reader reader{message};
    switch (reader.letter()) {
        case 'k': {
            const auto lsn = reader.number<std::uint64_t>();
            reader.number<std::uint64_t>();  // the server's clock
            return Keepalive{.lsn = lsn, .reply_wanted = reader.letter() != 0};
        }
        case 'w':
            reader.bytes(24);  // where it stands in the WAL, and the server's clock
            return parse_change(reader.rest());
        default:
            Reader::fail();
    }
}

Streamed Pgoutput::parse_change(std::string_view change) {
    Reader reader{change};
    switch (reader.letter()) {
        case 'B':
            return Began{};
        case 'R': {
            const auto table = reader.number<std::uint32_t>();
            tables_[table] = read_layout(reader);
            return Nothing{};
        }
        case 'I': {
            const auto table = tables_.find(reader.number<std::uint32_t>());
            if (table == tables_.end()) Reader::fail();
            return Inserted{read_row(reader, table->second)};
        }
        case 'C':
            reader.bytes(9);  // flags, and where the commit begins
            return Committed{reader.number<std::uint64_t>()};
        case 'O':  // origin
        case 'Y':  // type
        case 'M':  // message
            return Nothing{};
        default:
            Reader::fail();
    }
}

std::string status_update(std::uint64_t written, std::uint64_t flushed) {
    std::string message{'r'};
    append(message, written);
    append(message, flushed);
    append(message, flushed);           // applied
    append(message, std::uint64_t{0});  // our clock, which nobody needs
    message += '\0';                    // no answer wanted
    return message;
}

}  // namespace relay
