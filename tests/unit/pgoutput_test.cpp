#include "relay/pgoutput.hpp"

#include <gtest/gtest.h>

#include <charconv>
#include <string>

namespace {

// Recorded from PostgreSQL 17: one transaction of two events, binary columns.
constexpr std::string_view begin = "420000000001af5610000303caf08e92f3000002f5";
constexpr std::string_view relation =
    "52000040116f7574626f78006576656e740064000c00747800000013cdffffffff01736571000000001"
    "4ffffffff00637265617465645f617400000004a0ffffffff0069640000000b86ffffffff0061676772"
    "656761746574797065000000"
    "0019ffffffff0061676772656761746569640000000019ffffffff00747970650000000019ffffffff0"
    "07061796c6f61640000000edaffffffff00626f64790000000011ffffffff00636f6e74656e745f7479"
    "70650000000019ffffffff00686561646572730000000edaffffffff00617661696c61626c655f61740"
    "0000004a0ffffffff";
constexpr std::string_view json_event =
    "49000040114e000c620000000800000000000002f56200000008000000000000000162000000080003"
    "03caf08e5487620000001001931f0e5c1f7b6ea0b46c1f1d0e8a1162000000056f7264657262000000"
    "023432620000000b4f72646572506c616365646200000009017b226e223a20317d6e6e620000000b01"
    "7b2261223a202262227d6e";
constexpr std::string_view bytes_event =
    "49000040114e000c620000000800000000000002f56200000008000000000000000262000000080003"
    "03caf08e5d5e620000001001931f0e5c1f7b6ea0b46c1f1d0e8a1262000000056f7264657262000000"
    "023433620000000554797065646e620000000200ff620000000d6170706c69636174696f6e2f786e6e";
constexpr std::string_view commit = "43000000000001af56100000000001af5640000303caf08e92f3";

std::string bytes(std::string_view hex) {
    std::string all;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        unsigned value{};
        std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
        all += static_cast<char>(value);
    }
    return all;
}

// As WAL data: where it starts and ends, and the server's clock, come first.
std::string data(std::string_view hex) { return "w" + std::string(24, '\0') + bytes(hex); }

template <typename T>
T parsed(relay::Pgoutput& pgoutput, const std::string& message) {
    return std::get<T>(pgoutput.parse(message));
}

TEST(Pgoutput, ReadsATransactionAsPostgresSendsIt) {
    relay::Pgoutput pgoutput;
    relay::BatchBuilder builder;
    parsed<relay::Began>(pgoutput, data(begin));
    parsed<relay::Nothing>(pgoutput, data(relation));
    for (const auto& [event, place] : {std::pair{json_event, 70}, std::pair{bytes_event, 71}}) {
        const auto message = data(event);
        builder.add(parsed<relay::Inserted>(pgoutput, message).fields, place);
    }
    EXPECT_EQ(parsed<relay::Committed>(pgoutput, data(commit)).end, 0x1AF5640U);
    const auto batch = builder.take();
    ASSERT_EQ(batch->rows.size(), 2U);
    const auto &json = batch->rows[0], &binary = batch->rows[1];
    EXPECT_EQ(json.seq, 1);
    EXPECT_EQ(json.place, 70);
    EXPECT_EQ(relay::to_string(json.id), "01931f0e-5c1f-7b6e-a0b4-6c1f1d0e8a11");
    EXPECT_EQ(json.aggregate_type, "order");
    EXPECT_EQ(json.aggregate_id, "42");
    EXPECT_EQ(json.type, "OrderPlaced");
    EXPECT_EQ(json.value, "{\"n\": 1}");
    EXPECT_EQ(json.content_type, "application/json");
    EXPECT_EQ(json.headers, "{\"a\": \"b\"}");
    EXPECT_EQ(binary.value, (std::string_view{"\0\xff", 2}));
    EXPECT_EQ(binary.content_type, "application/x");
    EXPECT_EQ(binary.headers, "");
    EXPECT_EQ(batch->last_place(), 71);
}

TEST(Pgoutput, ReadsAKeepalive) {
    relay::Pgoutput pgoutput;
    const auto keepalive = parsed<relay::Keepalive>(
        pgoutput, "k" + bytes("00000001000000ff") + std::string(8, '\0') + "\x01");
    EXPECT_EQ(keepalive.lsn, 0x1000000FFU);
    EXPECT_TRUE(keepalive.reply_wanted);
}

TEST(Pgoutput, RefusesWhatItDoesNotKnow) {
    relay::Pgoutput pgoutput;
    EXPECT_THROW(pgoutput.parse(data(json_event)), std::runtime_error) << "of an unknown table";
    parsed<relay::Nothing>(pgoutput, data(relation));
    for (std::size_t size = 2; size < json_event.size(); size += 2)
        EXPECT_THROW(pgoutput.parse(data(json_event.substr(0, size))), std::runtime_error) << size;
    EXPECT_THROW(pgoutput.parse(data("55")), std::runtime_error) << "an update";
    EXPECT_THROW(pgoutput.parse("x"), std::runtime_error);
    EXPECT_THROW(pgoutput.parse(""), std::runtime_error);
}

TEST(Pgoutput, RefusesATableThatIsNoOutbox) {
    relay::Pgoutput pgoutput;
    EXPECT_THROW(pgoutput.parse(data("5200000001"
                                     "7075626c696300"
                                     "6f7468657200"
                                     "64"
                                     "0001"
                                     "00"
                                     "6e00"
                                     "00000017"
                                     "ffffffff")),
                 std::runtime_error);
}

TEST(Pgoutput, TellsWhatIsWrittenAndWhatIsNotNeededAgain) {
    EXPECT_EQ(relay::status_update(0x102, 0x101), "r" +
                                                      bytes("0000000000000102"
                                                            "0000000000000101"
                                                            "0000000000000101") +
                                                      std::string(9, '\0'));
}

}  // namespace
