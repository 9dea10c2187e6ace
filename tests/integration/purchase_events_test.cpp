// What becomes of a purchase: results through Kafka, told as server-sent events.

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <vector>

#include "domain/transact.hpp"
#include "http/purchase/event_stream.hpp"
#include "integration/all_services.hpp"
#include "integration/purchase_fixture.hpp"
#include "support/wait.hpp"

namespace integration {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// How often a text contains another.
int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
}

class PurchaseEvents : public PurchaseTest {
protected:
    json state(std::int64_t id) const {
        return json::parse(get(std::format("/api/v1/purchases/{}", id)).body);
    }
    void await_applied(int results) {
        support::eventually(seconds{30}, "the results to be applied",
                            [&] { return ask("select count(*) from inbox.received") == results; });
    }
    void complete(std::int64_t id) const {
        for (int step = 0; step < 3; ++step) result(id, 0, step, "null");
        result(id, 1, 2, "true");
    }
};

TEST_F(PurchaseEvents, PassTheEdgeAsTheyComeWhereOlderClientsAskToo) {
    std::map<std::string, std::string> addresses{{"purchase", address_}};
    for (const auto* other : {"account", "order", "payment", "product"})
        addresses[other] = "127.0.0.1:9";
    // Else the edge takes it out of service between two requests.
    support::eventually(seconds{30}, "purchase to be ready",
                        [&] { return get("/readyz").status == 200; });
    const support::Edge edge{addresses};
    const auto placed =
        support::request(edge.address(), "POST", "/api/purchase", pens,
                         {{"Content-Type", "application/json"}, {"Authorization", "7"}});
    ASSERT_EQ(placed.status, 201) << placed.body;
    const std::int64_t id = json::parse(placed.body)["purchase_id"];
    std::vector<std::unique_ptr<Listener>> listeners;
    for (const auto& path : {events_path(id), std::string{"/api/purchase/result"}}) {
        listeners.push_back(
            std::make_unique<Listener>(edge.address(), path, Headers{{"Authorization", "7"}}));
        EXPECT_EQ(listeners.back()->status(), 200) << path;
    }
    result(id, 0, 0, "null");  // the others are not there yet
    for (const auto& listener : listeners)
        EXPECT_EQ(count(listener->read_until("\n\n"), "event: data"), 1);
    result(id, 0, 1, "null");
    result(id, 0, 2, "null");
    result(id, 1, 2, "true");
    for (const auto& listener : listeners)
        EXPECT_EQ(count(listener->read_until("\"success\":true}\n\n"), "event: data"), 4);
}

TEST_F(PurchaseEvents, AreToldAsTheyComeUntilTheLast) {
    const auto id = purchase();
    auto listener = listen(id);
    EXPECT_EQ(listener.status(), 200);
    result(id, 0, 0, "null");
    const auto& first = listener.read_until("\n\n");
    EXPECT_TRUE(first.contains("Content-Type: text/event-stream")) << first;
    EXPECT_TRUE(first.contains("Connection: close")) << first;
    EXPECT_TRUE(
        first.contains(std::format("id: 1\nevent: data\ndata: {{\"purchase_id\":{},"
                                   "\"step\":\"UPDATE_PRODUCT_INVENTORY\",\"status\":\"EXECUTE\","
                                   "\"timestamp\":\"2026-11-21T10:00:00.123Z\"}}\n\n",
                                   id)))
        << first;
    result(id, 0, 1, "null");
    result(id, 0, 2, "null");
    result(id, 1, 2, "true");
    const auto& all = listener.read_to_end();
    EXPECT_EQ(count(all, "event: data"), 4) << all;
    EXPECT_TRUE(all.ends_with("\"success\":true}\n\n")) << all;
    EXPECT_EQ(state(id)["status"], "SUCCESS");
    EXPECT_EQ(state(id)["success"], true);

    Listener older{
        address_, std::format("/api/purchase/result?purchase_id={}", id), {{"Authorization", "7"}}};
    EXPECT_EQ(count(older.read_to_end(), "event: data"), 4);
}

TEST_F(PurchaseEvents, ChangeNothingOnceThePurchaseHasEnded) {
    const auto id = purchase();
    const auto repeated = outbox::EventId::make().to_string();
    for (int again = 0; again < 3; ++again) result(id, 0, 0, "null", repeated);
    result(id, 2, 0, "null");
    result(id, 3, 0, "false");
    result(id, 3, 0, "false");  // under another id
    result(id, 1, 2, "true");   // the opposite
    result(id, 0, 1, "null");   // late
    await_applied(6);
    EXPECT_EQ(ask("select sum(redeliveries) from inbox.received"), 2);
    EXPECT_EQ(state(id)["status"], "ROLLBACK");
    EXPECT_EQ(state(id)["success"], false);
    EXPECT_EQ(ask("select count(*) from purchase_event"), 3)
        << "changes=" << ask("select count(*) from purchase_event");
    const auto all = listen(id).read_to_end();
    EXPECT_TRUE(all.ends_with("\"success\":false}\n\n")) << all;
}

TEST_F(PurchaseEvents, OfAPurchaseThatIsNotThereAreParked) {
    result(1, 1, 2, "true");
    support::eventually(seconds{30}, "the dead letter",
                        [&] { return ask("select count(*) from inbox.dead") == 1; });
}

TEST_F(PurchaseEvents, GoOnAfterTheLastOneThatTheClientHasSeen) {
    const auto id = purchase();
    complete(id);
    await_applied(4);
    const auto rest = listen(id, "2").read_to_end();
    EXPECT_EQ(count(rest, "event: data"), 2) << rest;
    EXPECT_TRUE(rest.contains("id: 3\n")) << rest;
    EXPECT_TRUE(rest.contains("id: 4\n")) << rest;
    // Nothing can follow: an EventSource, told so, stops coming back.
    EXPECT_EQ(listen(id, "4").status(), 204);
    EXPECT_EQ(count(listen(id, "nonsense").read_to_end(), "event: data"), 4);

    const auto early = purchase();
    auto listener = listen(early, "1000");  // of another purchase, perhaps
    EXPECT_EQ(listener.status(), 200);
    complete(early);
    EXPECT_EQ(count(listener.read_to_end(), "event: data"), 4);
}

TEST_F(PurchaseEvents, AreSeenThoughAnotherProcessAppliedThem) {
    const auto id = purchase();
    auto listener = listen(id);
    ASSERT_EQ(listener.status(), 200);
    applied_elsewhere(id, 0, 0, std::nullopt);
    EXPECT_TRUE(listener.read_until("id: 1\n").contains("id: 1\n"));
    applied_elsewhere(id, 1, 2, true);
    EXPECT_TRUE(listener.read_to_end().contains("id: 2\n"));
}

TEST_F(PurchaseEvents, LeaveThreadsToOrdinaryRequests) {
    const auto id = purchase();
    const auto head = [&] {
        return support::request(address_, "HEAD", events_path(id), "", {{"Authorization", "7"}});
    };
    for (int i = 0; i < 17; ++i) EXPECT_EQ(head().status, 200) << "which keeps no place";
    std::vector<Listener> listeners;
    for (int i = 0; i < 16; ++i) {
        listeners.push_back(listen(id));
        ASSERT_EQ(listeners.back().status(), 200);
    }
    const auto refused = get(events_path(id));
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.headers.at("Retry-After"), "5");
    EXPECT_EQ(post(pens).status, 202);
    EXPECT_EQ(head().status, 503);

    applied_elsewhere(id, 1, 2, true);
    for (auto& listener : listeners) EXPECT_TRUE(listener.read_to_end().contains("id: 1\n"));
    const auto other = purchase();
    support::eventually(seconds{10}, "a place to be free",
                        [&] { return listen(other).status() == 200; });
}

TEST_F(PurchaseEvents, GiveUpAClientThatDoesNotRead) {
    const auto id = purchase();
    const auto long_one = purchase();
    pqxx::nontransaction{super_}.exec(
        "insert into purchase_event (purchase_id, seq, step, status, at) "
        "select $1, n, 0, 0, now() from generate_series(1, 100000) n",
        pqxx::params{long_one});
    std::vector<Listener> listeners;
    for (int i = 0; i < 15; ++i) {
        listeners.push_back(listen(id));
        ASSERT_EQ(listeners.back().status(), 200);
    }
    auto slow = listen(long_one, "", 4096);
    ASSERT_EQ(slow.status(), 200);
    EXPECT_EQ(listen(id).status(), 503) << "the slow client has the last place";
    EXPECT_EQ(get(std::format("/api/v1/purchases/{}", id)).status, 200);
    support::eventually(seconds{30}, "its place to be free",
                        [&] { return listen(id).status() == 200; });
    EXPECT_FALSE(slow.read_to_end().contains("id: 100000\n"));
}

TEST_F(PurchaseEvents, EndWithAWordWhenTheServiceStops) {
    const auto id = purchase();
    auto idle = listen(id);
    ASSERT_EQ(idle.status(), 200);
    applied_elsewhere(id, 0, 0, std::nullopt);
    idle.read_until("id: 1\n");
    auto stopped = std::async(std::launch::async, [this] { shop_.services.front()->stop(); });
    EXPECT_TRUE(idle.read_to_end().ends_with("\n\n: the server stops\n\n"));
    EXPECT_EQ(stopped.wait_for(seconds{5}), std::future_status::ready);
}

// A stream without a server: what it would have sent.
TEST_F(PurchaseEvents, AreKeptAliveByCommentsForATime) {
    const auto id = purchase();
    domain::Pool pool{{.dsn = database_.dsn("shop_purchase")}};
    domain::purchase::PurchaseService service{pool, [] { return 1; }};
    http::purchase::Feed feed{[&](const auto& ids) { return service.last_seqs(ids); }};
    const auto stream = http::purchase::event_stream(
        service, domain::PurchaseId{id}, 0, feed.watch(domain::PurchaseId{id}),
        {.heartbeat = milliseconds{20}, .lifetime = milliseconds{500}});
    std::string sent;
    const std::stop_source stop;
    const auto sink = [&](std::string_view part) {
        sent += part;
        return true;
    };
    while (stream(sink, stop.get_token())) {
    }
    EXPECT_TRUE(sent.starts_with(": nothing new\n\n")) << sent;
    EXPECT_TRUE(sent.ends_with(": come back for more\n\n")) << sent;
    // A client that is gone ends it.
    const auto alone = http::purchase::event_stream(
        service, domain::PurchaseId{id}, 0, feed.watch(domain::PurchaseId{id}),
        {.heartbeat = milliseconds{20}, .lifetime = seconds{600}});
    EXPECT_FALSE(alone([](std::string_view) { return false; }, stop.get_token()));
}

}  // namespace
}  // namespace integration
