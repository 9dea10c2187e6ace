// Ten times as many customers as before, and far more than the shop can serve: it turns some away,
// at once and politely, keeps what it has accepted, and needs no more memory than its limits allow.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <iostream>
#include <optional>
#include <pqxx/pqxx>

#include "http/server.hpp"
#include "integration/open_loop.hpp"
#include "integration/whole_shop.hpp"
#include "support/wait.hpp"

namespace integration {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// The limit is given, so that it is the same on every machine: two sessions, of which each takes a
// purchase in 70 ms.
constexpr auto sessions = "2";
constexpr auto a_purchase = 0.07;
constexpr int calm = 20;  // a second: 70 % of 2 / 0.07
constexpr int spike = 10 * calm;
constexpr auto spike_lasts = 8s;

// What the limits of a listener allow: each connection at work holds a request's head and body and
// what is made of them; each that waits, a place in a queue. Some files are the service's own.
const http::ServerOptions limits;
constexpr std::ptrdiff_t own_files = 32;
const auto at_work = static_cast<std::ptrdiff_t>(limits.threads + limits.refusers);
const auto in_queues = static_cast<std::ptrdiff_t>(limits.queue + limits.refusals);
const auto connections_at_most = own_files + at_work + in_queues;
const auto kib_at_most =
    at_work * 4 * static_cast<std::ptrdiff_t>(limits.head_limit + limits.body_limit) / 1024 +
    in_queues;

// Minutes of calm come before the spike if POSTROOM_SPIKE_MINUTES says so.
std::chrono::seconds calm_lasts() {
    const char* minutes = std::getenv("POSTROOM_SPIKE_MINUTES");
    return minutes != nullptr ? std::chrono::minutes{std::atoi(minutes)} : 5s;
}

// Of the process that is to bear it.
class Held {
public:
    explicit Held(pid_t pid) : process_{std::format("/proc/{}", pid)} {}

    std::ptrdiff_t files() const {
        return std::ranges::distance(std::filesystem::directory_iterator{process_ / "fd"});
    }
    // "VmRSS": now; "VmHWM": at most, so far.
    std::int64_t kib(const std::string& what) const {
        std::ifstream status{process_ / "status"};
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with(what)) return std::stoll(line.substr(what.size() + 1));
        }
        throw std::runtime_error{"no " + what + " is known"};
    }

private:
    std::filesystem::path process_;
};

class Spike : public WholeShop {
protected:
    Spike() {
        tell("purchase", std::format("create function slowly() returns trigger language plpgsql as "
                                     "$$ begin perform pg_sleep({}); return new; end $$",
                                     a_purchase));
        tell("purchase",
             "create trigger slowly before insert on purchases for each row "
             "execute function slowly()");
        token_ = ask(201, "account", "POST", "/api/v1/account/auth/register",
                     R"({"email":"a@example.com","password":"password","first_name":"a",)"
                     R"("last_name":"b","address":"1 street","phone_number":"1"})")["access_token"];
        customers_.emplace(purchase_.address("purchase"), purchase(), 900);
    }

    void tell(const std::string& service, const std::string& statement) {
        pqxx::connection connection{databases_.of(service).dsn()};
        pqxx::nontransaction{connection}.exec(statement);
    }
    std::int64_t count(const std::string& service, const std::string& query) {
        pqxx::connection connection{databases_.of(service).dsn()};
        return pqxx::nontransaction{connection}.query_value<std::int64_t>(query);
    }
    std::int64_t stock() { return count("product", "select sum(inventory)::bigint from products"); }

    std::string purchase() const {
        return support::request_bytes(
            purchase_.address("purchase"), "POST", "/api/v1/purchases",
            R"({"order_items":[{"product_id":3,"quantity":2}],"payment":{"currency_code":"EUR"}})",
            {{"Content-Type", "application/json"}, {"Authorization", "Bearer " + token_}});
    }

    // Every client was told what became of its purchase, or when to come back.
    void judge_answers() {
        for (const auto& answer : customers_->answers()) {
            if (answer.status == 202) {
                accepted_.push_back(json::parse(answer.body)["purchase_id"]);
                continue;
            }
            ASSERT_TRUE(answer.status == 503 || answer.status == 429)
                << "after " << accepted_.size() << " accepted: " << answer.status << ' '
                << answer.body;
            ASSERT_TRUE(answer.headers.contains("Retry-After")) << answer.body;
            ++(answer.body.contains("too many requests wait") ? turned_away_ : timed_out_);
        }
    }

    std::int64_t unfinished() {
        return count("purchase", "select count(*) from purchases where success is null");
    }

    void judge_purchases(std::int64_t stock_before) {
        std::string ids;
        for (const auto id : accepted_) ids += std::format("{}{}", ids.empty() ? "" : ",", id);
        EXPECT_EQ(count("purchase", std::format("select count(*) from purchases where success "
                                                "is not null and id in ({})",
                                                ids)),
                  std::ssize(accepted_))
            << "accepted, and lost";
        EXPECT_EQ(count("purchase",
                        "select count(*) from (select 1 from purchases p left join purchase_event "
                        "e on e.purchase_id = p.id and e.success is not null group by p.id "
                        "having count(e.seq) <> 1) x"),
                  0)
            << "purchases without one end";
        EXPECT_EQ(stock() + count("purchase",
                                  "select coalesce(sum(quantity), 0)::bigint from purchase_items "
                                  "join purchases p on p.id = purchase_id where p.success"),
                  stock_before);
    }

    // A second instance of the service, which customers ask: alone in its process.
    support::ShopProcess purchase_{databases_, {"purchase"}, {{"SHOP_DB_CONNECTIONS", sessions}}};
    const Held held_{purchase_.process().pid()};
    std::optional<support::OpenLoop> customers_;
    std::vector<std::int64_t> accepted_;
    std::int64_t turned_away_ = 0, timed_out_ = 0;
};

TEST_F(Spike, OfTenTimesTheLoadIsTurnedAwayAndDrainedWithinAMinute) {
    const auto stock_before = stock();
    customers_->run(calm, calm_lasts(), [] {});

    const auto kib_before = held_.kib("VmRSS");
    const auto files_before = held_.files();
    auto files = files_before;
    Clock::time_point next;
    customers_->run(spike, spike_lasts, [&] {
        if (Clock::now() < next) return;
        files = std::max(files, held_.files());
        next = Clock::now() + 50ms;
    });
    const auto until = Clock::now() + 60s;
    const auto left = [&] {
        return std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    };
    customers_->finish(left());
    const auto kib = held_.kib("VmHWM");
    ASSERT_NO_FATAL_FAILURE(judge_answers());
    EXPECT_LE(files - files_before, connections_at_most)
        << "an unbounded queue: " << files - files_before << " connections at once";
    EXPECT_GT(turned_away_, 0) << "the queue was never full";
    EXPECT_LE(kib - kib_before, kib_at_most) << "memory without a bound";
    EXPECT_TRUE(support::happens_within(left(), [&] { return unfinished() == 0; }))
        << unfinished() << " purchases have not ended a minute after the spike";
    judge_purchases(stock_before);
    std::cout << "spike accepted=" << accepted_.size() << " turned_away=" << turned_away_
              << " timed_out=" << timed_out_ << " connections=" << files - files_before
              << " kib=" << kib - kib_before << std::endl;
}

}  // namespace
}  // namespace integration
