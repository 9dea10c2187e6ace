#include <gtest/gtest.h>

#include "relay/roster.hpp"

namespace {

using Owners = std::map<int, std::string>;

std::vector<relay::Leased> held(const std::vector<std::string>& holders) {
    std::vector<relay::Leased> all;
    for (const auto& holder : holders)
        all.push_back({.shard = static_cast<int>(all.size()), .holder = holder, .is_free = false});
    return all;
}

const relay::Attending a{.holder = "a", .able = std::nullopt};
const relay::Attending b{.holder = "b", .able = std::nullopt};
const relay::Attending c{.holder = "c", .able = std::nullopt};

TEST(Roster, GivesFreeShardsToThoseThatHaveLeast) {
    EXPECT_EQ(divide(held({"", "", "", ""}), {a, b}),
              (Owners{{0, "a"}, {1, "b"}, {2, "a"}, {3, "b"}}));
    EXPECT_EQ(divide(held({"a", "", "a", ""}), {a, b}),
              (Owners{{0, "a"}, {1, "b"}, {2, "a"}, {3, "b"}}));
}

TEST(Roster, LeavesEachWhatItHasUpToAnEvenShare) {
    EXPECT_EQ(divide(held({"b", "a", "b", "a"}), {a, b}),
              (Owners{{0, "b"}, {1, "a"}, {2, "b"}, {3, "a"}}));
    EXPECT_EQ(divide(held({"a", "a", "a", "a"}), {a, b, c}),
              (Owners{{0, "a"}, {1, "a"}, {2, "b"}, {3, "c"}}));
    EXPECT_EQ(divide(held({"a", "a", "b"}), {a, b}), (Owners{{0, "a"}, {1, "a"}, {2, "b"}}));
}

TEST(Roster, TakesTheShardsOfOneThatIsGone) {
    EXPECT_EQ(divide(held({"gone", "a", "gone"}), {a, b}), (Owners{{0, "b"}, {1, "a"}, {2, "a"}}));
    EXPECT_TRUE(divide(held({"gone"}), {}).empty());
}

TEST(Roster, GivesNobodyWhatItCannotPublish) {
    const relay::Attending first{.holder = "a", .able = std::vector{0}};
    EXPECT_EQ(divide(held({"", "", ""}), {first, b}), (Owners{{0, "a"}, {1, "b"}, {2, "b"}}));
    EXPECT_EQ(divide(held({"", "a"}), {first}), (Owners{{0, "a"}}));
}

}  // namespace
