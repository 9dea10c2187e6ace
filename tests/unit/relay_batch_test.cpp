#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <string>

#include "relay/batch.hpp"

namespace {

template <typename Integer>
std::string wire(Integer value) {
    value = std::byteswap(value);
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string field(const std::string& bytes) {
    return wire(static_cast<std::int32_t>(bytes.size())) + bytes;
}
const std::string null = wire(std::int32_t{-1});
const std::string header =
    std::string{"PGCOPY\n\377\r\n\0", 11} + wire(std::int32_t{0}) + wire(std::int32_t{0});

std::string row(std::int64_t seq, const std::string& payload, const std::string& body,
                const std::string& available_at = null, const std::string& created_at = null) {
    return wire(std::int16_t{11}) + field(wire(seq)) + field(std::string(16, '\x1a')) +
           field("order") + field("42") + field("OrderPlaced") + payload + body + null + null +
           available_at + created_at;
}

void parsed(const std::string& message, relay::BatchBuilder& builder) {
    relay::BatchBuilder::Fields fields;
    EXPECT_TRUE(relay::parse_copy_row(message, fields));
    builder.add(fields);
}

TEST(Batch, ReadsARowBehindTheCopyHeader) {
    relay::BatchBuilder builder;
    parsed(header + row(7, field("\x01{\"a\": 1}"), null), builder);
    const auto batch = builder.take();
    ASSERT_EQ(batch->rows.size(), 1U);
    const auto& event = batch->rows[0];
    EXPECT_EQ(event.seq, 7);
    EXPECT_EQ(relay::to_string(event.id), "1a1a1a1a-1a1a-1a1a-1a1a-1a1a1a1a1a1a");
    EXPECT_EQ(event.aggregate_type, "order");
    EXPECT_EQ(event.aggregate_id, "42");
    EXPECT_EQ(event.value, "{\"a\": 1}");
    EXPECT_EQ(event.content_type, "application/json");
    EXPECT_TRUE(event.is_json);
}

TEST(Batch, KnowsWhenAnEventWasAppendedIfThatWasAskedFor) {
    relay::BatchBuilder builder;
    parsed(row(1, null, null, null, field(wire(std::int64_t{1'000'001}))), builder);
    parsed(row(2, null, null), builder);
    const auto batch = builder.take();
    EXPECT_EQ(batch->rows[0].created_at, 1'000'001);
    EXPECT_EQ(batch->rows[1].created_at, std::nullopt);
}

TEST(Batch, KeepsBytesAsTheyAreAndTellsATombstoneFromAnEmptyBody) {
    relay::BatchBuilder builder;
    parsed(row(1, null, field(std::string{"\0\x01", 2})), builder);
    parsed(row(2, null, field("")), builder);
    parsed(row(3, null, null), builder);
    const auto batch = builder.take();
    EXPECT_EQ(batch->rows[0].value, (std::string_view{"\0\x01", 2}));
    EXPECT_EQ(batch->rows[0].content_type, "application/octet-stream");
    EXPECT_FALSE(batch->rows[0].is_json);
    EXPECT_EQ(batch->rows[1].value, "");
    EXPECT_FALSE(batch->rows[2].value.has_value());
    EXPECT_EQ(batch->rows[2].content_type, "");
}

TEST(Batch, TellsADelayedRow) {
    relay::BatchBuilder builder;
    parsed(row(1, null, null), builder);
    parsed(row(2, null, null, field(wire(std::int64_t{0}))), builder);
    const auto batch = builder.take();
    EXPECT_FALSE(batch->rows[0].delayed);
    EXPECT_TRUE(batch->rows[1].delayed);
}

TEST(Batch, IsFullBeforeItGrowsPastItsBound) {
    relay::BatchBuilder builder;
    std::size_t rows = 0;
    while (!builder.full()) {
        parsed(row(static_cast<std::int64_t>(++rows), field(std::string(100'000, '\x01')), null),
               builder);
        ASSERT_LT(rows, 100U);
    }
    EXPECT_EQ(rows, 11U);  // 1 MiB of 100 kB each
    EXPECT_EQ(builder.take()->last_place(), 11);
    EXPECT_TRUE(builder.empty());
}

TEST(Batch, KnowsTheTrailer) {
    relay::BatchBuilder::Fields fields;
    EXPECT_FALSE(relay::parse_copy_row(wire(std::int16_t{-1}), fields));
    EXPECT_FALSE(relay::parse_copy_row(header + wire(std::int16_t{-1}), fields));
}

TEST(Batch, RefusesWhatIsCutShort) {
    relay::BatchBuilder::Fields fields;
    const auto whole = row(7, field("\x01{}"), null);
    for (std::size_t length = 1; length < whole.size(); ++length)
        EXPECT_THROW(relay::parse_copy_row(whole.substr(0, length), fields), std::runtime_error)
            << length;
}

}  // namespace
