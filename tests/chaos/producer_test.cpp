// Fault 22: the producer fails for good.
#include <gtest/gtest.h>

#include "chaos/delivery.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

std::size_t count(const std::string& text, std::string_view part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

class FailedProducer : public InEitherMode<> {};

TEST_P(FailedProducer, IsReplacedWithoutLossAndInOrder) {
    const Stage stage;
    Journal journal;
    auto relay = stage.relay(delivery(
        {{"LD_PRELOAD", support::bin("libfailing_producer.so")}, {"POSTROOM_FATAL_TIMES", "5"}}));
    Writers writers{stage.database(), {.seed = seed()}, journal};
    const auto failures = [&] {
        return count(relay.output(), "beginning again from the recorded position");
    };
    // F, and in the midst of it: each failure but the first is that of a replacement.
    ASSERT_TRUE(support::happens_within(std::chrono::seconds{30}, [&] { return failures() == 5; }))
        << failures() << " failed producers were replaced, not 5: " << relay.output();
    stage.await_published(stage.published() + 500);
    writers.stop();
    stage.await_drained();
    EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
    expect_kept(stage.verdict(journal));
}

INSTANTIATE_TEST_SUITE_P(Delivery, FailedProducer, modes, mode_name);

}  // namespace
}  // namespace chaos
