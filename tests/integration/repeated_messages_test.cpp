// What relays publish may come again, at any time: here everything does, twice.

#include <pqxx/pqxx>

#include "integration/older_client.hpp"
#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace integration {
namespace {

class RepeatedMessages : public OlderClient {
protected:
    // Of all the databases together.
    std::int64_t total(const std::string& table, const std::string& what) {
        std::int64_t sum = 0;
        for (const auto& service : support::all_services()) {
            pqxx::connection connection{databases_.of(service).dsn()};
            sum += pqxx::nontransaction{connection}.query_value<std::int64_t>(
                std::format("select {} from {}", what, table));
        }
        return sum;
    }
    void await_total(const std::string& table, const std::string& what, std::int64_t wanted) {
        support::eventually(std::chrono::seconds{60},
                            std::format("{} of {} to be {}", what, table, wanted),
                            [&] { return total(table, what) == wanted; });
    }
};

TEST_F(RepeatedMessages, ChangeNothing) {
    sign_up();
    stock_up();
    std::vector<std::int64_t> purchases;
    // One product costs more than payment takes at once: its purchase is taken back.
    const std::string dear = R"({"order_items":[{"product_id":5,"quantity":1}],)"
                             R"("payment":{"currency_code":"EUR"}})";
    for (const auto& body : {purchase_body(1, 2), purchase_body(3, 4), dear}) {
        purchases.push_back(ask(202, "purchase", "POST", "/api/v1/purchases", body)["purchase_id"]);
    }
    for (const auto id : purchases) EXPECT_EQ(await_end(id)["success"], id != purchases.back());
    await_total("outbox.pending", "count(*)", 0);

    std::map<std::string, std::vector<support::Draft>> drafts;
    std::int64_t heard = 0;
    for (const auto& name : support::all_topics()) {
        for (const auto& record : support::read_topic(topic(name)))
            drafts[name].push_back({record.key, record.value, record.headers});
        const auto hearers = name == "purchase-result"                ? 2
                             : name == "account" || name == "product" ? 0
                                                                      : 1;
        heard += hearers * std::ssize(drafts[name]);
    }
    await_total("inbox.received", "count(*)", heard);
    const auto events = total("outbox.event", "count(*)");
    for (int again = 0; again < 2; ++again) {
        for (const auto& [name, records] : drafts) support::produce(topic(name), records);
    }
    await_total("inbox.received", "coalesce(sum(redeliveries), 0)", 2 * heard);
    EXPECT_EQ(total("outbox.event", "count(*)"), events);
    EXPECT_EQ(total("inbox.dead", "count(*)"), 0);
    EXPECT_EQ(inventory(isolate_), 1000 - 1 - 3);
    EXPECT_EQ(inventory(professional_), 1000 - 2 - 4);
    EXPECT_EQ(inventory(5), 1'000'000);
}

}  // namespace
}  // namespace integration
