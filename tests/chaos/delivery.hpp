// Faults that either delivery mode has to survive: a suite of these runs once in each.
//
//   class Soak : public InEitherMode<> { … stage_.relay(delivery()) … };
//   INSTANTIATE_TEST_SUITE_P(Delivery, Soak, modes, mode_name);
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "chaos/journal.hpp"

namespace chaos {

template <class Fixture = testing::Test>
class InEitherMode : public Fixture, public testing::WithParamInterface<std::string> {
protected:
    bool exactly_once() const { return GetParam() == "exactly_once"; }
    // A relay's settings, with the mode.
    std::map<std::string, std::string> delivery(
        std::map<std::string, std::string> more = {}) const {
        more["POSTROOM_RELAY_DELIVERY"] = GetParam();
        return more;
    }
    // Of exactly_once, a read_committed consumer sees no event twice either.
    void expect_kept(const Verdict& verdict) const {
        EXPECT_TRUE(verdict.sound()) << verdict;
        EXPECT_GT(verdict.committed, 0U);
        if (exactly_once()) {
            EXPECT_EQ(verdict.repeated, 0U) << verdict;
        }
    }
};

inline const auto modes = testing::Values("at_least_once", "exactly_once");
inline const auto mode_name = [](const auto& tested) { return tested.param; };

}  // namespace chaos
