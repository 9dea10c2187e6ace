#include "http/purchase/feed.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace http::purchase {
namespace {

using namespace std::chrono_literals;
using domain::PurchaseId;
using Seqs = std::map<PurchaseId, std::int64_t>;

// A database of one number, and how it is asked.
struct FeedTest : testing::Test {
    Seqs answer(const std::vector<PurchaseId>& ids) {
        most = std::max(most.load(), ++at_once);
        ++asked;
        Seqs seqs;
        for (const auto id : ids) seqs.emplace(id, last.load());
        --at_once;
        return seqs;
    }
    bool await(PurchaseId id, std::int64_t after, std::chrono::milliseconds limit = 20s) {
        return feed.watch(id)->await(after, Feed::Clock::now() + limit, stop.get_token());
    }

    std::atomic<std::int64_t> last{0};
    std::atomic<int> asked{0}, at_once{0}, most{0};
    std::stop_source stop;
    Feed feed{[this](const auto& ids) { return answer(ids); }, {.streams = 8, .poll = 10ms}};
};

TEST_F(FeedTest, SaysWhetherThereIsMoreThanWasSeen) {
    last = 3;
    EXPECT_TRUE(await(PurchaseId{1}, 2));
    EXPECT_FALSE(await(PurchaseId{1}, 3, 30ms));
}

TEST_F(FeedTest, AsksOnceForAllThatWait) {
    std::vector<std::future<bool>> waiting;
    for (int i = 0; i < 8; ++i) {
        waiting.push_back(
            std::async(std::launch::async, [this, i] { return await(PurchaseId{i % 3}, 0); }));
    }
    while (asked < 20) std::this_thread::yield();
    last = 1;
    for (auto& each : waiting) EXPECT_TRUE(each.get());
    EXPECT_EQ(most, 1);
}

TEST_F(FeedTest, LooksAtOnceWhenToldTo) {
    Feed rare{[this](const auto& ids) { return answer(ids); }, {.streams = 1, .poll = 1h}};
    auto waiting = std::async(std::launch::async, [&] {
        return rare.watch(PurchaseId{1})->await(0, Feed::Clock::now() + 20s, stop.get_token());
    });
    while (asked < 1) std::this_thread::yield();
    last = 1;
    rare.look();
    EXPECT_TRUE(waiting.get());
    EXPECT_LE(asked, 2);
}

TEST_F(FeedTest, EndsEveryWaitAtAStop) {
    auto waiting = std::async(std::launch::async, [this] { return await(PurchaseId{1}, 0, 1h); });
    while (asked < 1) std::this_thread::yield();
    stop.request_stop();
    EXPECT_FALSE(waiting.get());
}

TEST_F(FeedTest, HasAsManyPlacesAsItWasGiven) {
    std::vector<std::shared_ptr<Feed::Watch>> taken;
    for (int i = 0; i < 8; ++i) taken.push_back(feed.watch(PurchaseId{i / 2}));
    for (const auto& watch : taken) EXPECT_TRUE(watch);
    EXPECT_FALSE(feed.watch(PurchaseId{1}));
    taken.pop_back();
    EXPECT_TRUE(feed.watch(PurchaseId{1}));
}

TEST_F(FeedTest, LetsAnotherAskWhenTheOneThatAskedHasItsAnswer) {
    std::promise<void> waits;
    std::atomic<bool> here{false};
    Feed shared{[&](const auto& ids) {
                    const bool first = asked++ == 0;
                    if (first) waits.get_future().wait();
                    Seqs seqs;
                    for (const auto id : ids) seqs.emplace(id, first ? 2 - id.value : 1);
                    return seqs;
                },
                {.streams = 2, .poll = 10ms}};
    const auto until = Feed::Clock::now() + 1h;
    auto one = std::async(std::launch::async, [&] {
        return shared.watch(PurchaseId{1})->await(0, until, stop.get_token());
    });
    while (asked < 1) std::this_thread::yield();
    auto two = std::async(std::launch::async, [&] {
        const auto watch = shared.watch(PurchaseId{2});
        here = true;
        return watch->await(0, until, stop.get_token());
    });
    while (!here) std::this_thread::yield();
    waits.set_value();
    EXPECT_TRUE(one.get());
    EXPECT_TRUE(two.get());
}

TEST_F(FeedTest, LetsAnotherAskAfterAFailure) {
    std::atomic<bool> broken{true};
    Feed shaky{[&](const auto& ids) {
                   if (broken.exchange(false)) throw std::runtime_error("away");
                   return answer(ids);
               },
               {.streams = 2, .poll = 10ms}};
    last = 1;
    const auto watch = shaky.watch(PurchaseId{1});
    const auto until = Feed::Clock::now() + 20s;
    EXPECT_THROW(watch->await(0, until, stop.get_token()), std::runtime_error);
    EXPECT_TRUE(watch->await(0, until, stop.get_token()));
}

}  // namespace
}  // namespace http::purchase
