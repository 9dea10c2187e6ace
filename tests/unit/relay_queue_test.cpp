#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

#include "relay/bounded_queue.hpp"

namespace {

using namespace std::chrono_literals;
using Queue = relay::BoundedQueue<std::unique_ptr<int>>;

TEST(BoundedQueue, GivesItemsInOrderAndThenIsDone) {
    Queue queue{2};
    EXPECT_TRUE(queue.push(std::make_unique<int>(1)));
    EXPECT_TRUE(queue.push(std::make_unique<int>(2)));
    queue.finish();
    EXPECT_EQ(**queue.pop(0ms), 1);
    EXPECT_FALSE(queue.done());
    EXPECT_EQ(**queue.pop(0ms), 2);
    EXPECT_TRUE(queue.done());
    EXPECT_FALSE(queue.pop(0ms).has_value());
}

TEST(BoundedQueue, IsNeverDoneAfterAnErrorAndThrowsItBehindItsItems) {
    Queue queue{2};
    queue.push(std::make_unique<int>(1));
    queue.finish(std::make_exception_ptr(std::runtime_error{"cut"}));
    EXPECT_EQ(**queue.pop(0ms), 1);
    EXPECT_FALSE(queue.done());
    EXPECT_THROW(queue.pop(0ms), std::runtime_error);
    EXPECT_FALSE(queue.done());
}

TEST(BoundedQueue, HoldsAGiverBackUntilThereIsRoomOrNobodyTakes) {
    Queue queue{1};
    queue.push(std::make_unique<int>(1));
    std::jthread giver{[&] {
        EXPECT_TRUE(queue.push(std::make_unique<int>(2)));
        while (queue.push(std::make_unique<int>(3))) {
        }  // until it is closed
    }};
    EXPECT_EQ(**queue.pop(10s), 1);
    EXPECT_EQ(**queue.pop(10s), 2);
    queue.close();
}

}  // namespace
