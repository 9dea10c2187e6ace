#include "domain/trace.hpp"

#include <gtest/gtest.h>

namespace domain {
namespace {

constexpr auto given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Trace, GoesOnFromTheCallersSpanAndKeepsItsCorrelation) {
    const auto trace = continue_trace(given, "cart-17");
    EXPECT_EQ(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(trace.traceparent, given);
    EXPECT_EQ(trace.correlation_id, "cart-17");
}

TEST(Trace, TravelsInHeaders) {
    const auto trace = continue_trace(given, "cart-17", "rojo=00f067aa0ba902b7,t61@a=1");
    const auto next = continue_trace(trace.headers());
    EXPECT_EQ(next.trace_id(), trace.trace_id());
    EXPECT_EQ(next.correlation_id, "cart-17");
    EXPECT_EQ(next.tracestate, "rojo=00f067aa0ba902b7,t61@a=1");
    EXPECT_FALSE(continue_trace(given, "cart-17").headers().contains("tracestate"));
}

TEST(Trace, DropsATracestateThatIsMalformedOrTooLongOrAlone) {
    const auto longest = "a=" + std::string(252, 'b') + ",c=" + std::string(254, 'd');
    ASSERT_EQ(longest.size(), 511U);
    EXPECT_EQ(continue_trace(given, "", longest + "d").tracestate, longest + "d");
    for (const auto& wrong : {longest + "dd", std::string{"rojo"}, std::string{"ROJO=1"},
                              std::string{"a=b=c"}, std::string{"a=b\r\nX: y"}}) {
        EXPECT_EQ(continue_trace(given, "", wrong).tracestate, "") << wrong;
    }
    EXPECT_EQ(continue_trace("00-0", "", "a=b").tracestate, "");
}

TEST(Trace, StartsAnewWhenTheCallersHeaderIsMalformed) {
    for (const auto* wrong : {"", "00-0", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                              "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                              "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                              "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"}) {
        const auto trace = continue_trace(wrong, "");
        EXPECT_EQ(trace.traceparent.size(), 55U) << wrong;
        EXPECT_NE(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736") << wrong;
        EXPECT_EQ(trace.correlation_id, trace.trace_id());
    }
}

TEST(Trace, TakesNoCorrelationIdThatCouldForgeAHeaderOrALogLine) {
    for (const auto& wrong :
         {std::string{"a b"}, std::string{"a\r\nX: y"}, std::string(129, 'a')}) {
        EXPECT_EQ(continue_trace(given, wrong).correlation_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    }
}

}  // namespace
}  // namespace domain
