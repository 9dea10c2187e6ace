#include "relay/batch.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace relay {
namespace {

template <typename Integer>
Integer big_endian(const char* bytes) {
    Integer value;
    std::memcpy(&value, bytes, sizeof value);
    return std::byteswap(value);
}

enum Column : std::size_t {
    seq,
    id,
    aggregate_type,
    aggregate_id,
    type,
    payload,
    body,
    content_type,
    headers,
    available_at,
    created_at
};

}  // namespace

std::string to_string(const UuidBytes& id) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text(36, '-');
    std::size_t at = 0;
    for (std::size_t i = 0; i < id.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
        text[at++] = digits[id[i] >> 4U];
        text[at++] = digits[id[i] & 15U];
    }
    return text;
}

char* BatchBuilder::space(std::size_t size) {
    if (batch_->blocks.empty() || capacity_ - used_ < size) {
        capacity_ = std::max(size, block_size);
        used_ = 0;
        batch_->blocks.push_back(std::make_unique_for_overwrite<char[]>(capacity_));
    }
    char* at = batch_->blocks.back().get() + used_;
    used_ += size;
    return at;
}

void BatchBuilder::add(const Fields& fields, std::optional<std::int64_t> place) {
    if (!batch_) batch_ = std::make_unique<Batch>();
    std::size_t total = 0;
    for (std::size_t c = Column::aggregate_type; c <= Column::headers; ++c) total += fields[c].size;
    char* at = space(total);
    const auto keep = [&](Column column, std::size_t skip = 0) -> std::string_view {
        const Field field = fields[column];
        if (field.data == nullptr) return {};
        std::memcpy(at, field.data + skip, field.size - skip);
        const std::string_view kept{at, field.size - skip};
        at += kept.size();
        return kept;
    };
    Row row;
    row.seq = big_endian<std::int64_t>(fields[Column::seq].data);
    row.place = place.value_or(row.seq);
    std::memcpy(row.id.data(), fields[Column::id].data, row.id.size());
    row.aggregate_type = keep(Column::aggregate_type);
    row.aggregate_id = keep(Column::aggregate_id);
    row.type = keep(Column::type);
    // jsonb's binary form is a version byte, then its text.
    row.is_json = fields[Column::payload].data != nullptr;
    if (row.is_json) row.value = keep(Column::payload, 1);
    if (fields[Column::body].data != nullptr) row.value = keep(Column::body);
    row.content_type = keep(Column::content_type);
    if (row.content_type.empty() && row.value)
        row.content_type = row.is_json ? "application/json" : "application/octet-stream";
    row.headers =
        fields[Column::headers].data != nullptr ? keep(Column::headers, 1) : std::string_view{};
    row.delayed = fields[Column::available_at].data != nullptr;
    if (row.delayed) batch_->delayed.push_back(row.seq);
    if (fields[Column::created_at].data != nullptr)
        row.created_at = big_endian<std::int64_t>(fields[Column::created_at].data);
    row.batch = batch_.get();
    batch_->bytes += total + sizeof(Row);
    batch_->rows.push_back(row);
}

std::unique_ptr<Batch> BatchBuilder::take() {
    used_ = capacity_ = 0;
    return std::move(batch_);
}

bool parse_copy_row(std::string_view message, BatchBuilder::Fields& fields) {
    static constexpr std::string_view signature{"PGCOPY\n\377\r\n\0", 11};
    const auto need = [&](std::size_t bytes) {
        if (message.size() < bytes)
            throw std::runtime_error{"a truncated COPY row from PostgreSQL"};
    };
    const auto skip = [&](std::size_t bytes) {
        need(bytes);
        message.remove_prefix(bytes);
    };
    if (message.starts_with(signature)) {
        need(signature.size() + 8);
        skip(signature.size() + 8 +
             static_cast<std::size_t>(big_endian<std::int32_t>(message.data() + 15)));
        if (message.empty()) return false;
    }
    need(2);
    const auto count = big_endian<std::int16_t>(message.data());
    skip(2);
    if (count == -1) return false;
    if (count != static_cast<std::int16_t>(BatchBuilder::columns))
        throw std::runtime_error{"an unexpected COPY row from PostgreSQL"};
    for (auto& field : fields) {
        need(4);
        const auto size = big_endian<std::int32_t>(message.data());
        skip(4);
        field = {};
        if (size < 0) continue;
        need(static_cast<std::size_t>(size));
        field = {message.data(), static_cast<std::size_t>(size)};
        skip(field.size);
    }
    return true;
}

}  // namespace relay
