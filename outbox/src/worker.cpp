#include "worker.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <format>
#include <mutex>
#include <set>

#include "database_errors.hpp"
#include "faults.hpp"
#include "outbox/inbox.hpp"
#include "park.hpp"
#include "waiting.hpp"

namespace outbox {
namespace {

using Kind = Outcome::Kind;

Outcome failure(const pqxx::sql_error& error) {
    constexpr auto hint = "is the database migrated, and its role granted what the handler needs? ";
    const bool lacks = is_schema_trouble(error);
    // A lock that somebody holds for long delays the events that need it, and no others.
    return {.kind = Kind::failed,
            .error = std::string{lacks ? hint : ""} + error.what(),
            .blameless = lacks || error.sqlstate() == "55P03"};
}

constexpr auto blocked_sql = R"(
select topic, key, event_id, coalesce(behind, event_id) from inbox.dead_letter
where consumer = $1 and resolved_at is null and key = any ($2::text[]) order by behind nulls first)";

// What a row's number would be worth as an event's identity.
EventId id_of_seq(const Message& message) {
    return EventId::parse(
        std::format("00000000-0000-4000-8000-{:0>12}", message.headers.at("seq")));
}

std::set<std::string> accept_all(pqxx::work& tx, const std::string& consumer,
                                 std::span<Delivery* const> deliveries) {
    std::set<std::string> fresh;
    if (faults::mutant("dedupe_by_seq")) {
        for (const auto* delivery : deliveries) {
            if (inbox::accept(tx, consumer, id_of_seq(delivery->message)))
                fresh.insert(delivery->message.id.to_string());
        }
        return fresh;
    }
    if (faults::mutant("no_inbox") || faults::mutant("check_then_insert")) {
        for (const auto* delivery : deliveries) {
            if (inbox::accept(tx, consumer, delivery->message.id))
                fresh.insert(delivery->message.id.to_string());
        }
        return fresh;
    }
    std::vector<std::string> ids, sources;
    for (const auto* delivery : deliveries) {
        ids.push_back(delivery->message.id.to_string());
        sources.push_back(delivery->source());
    }
    const auto accepted = exec(tx, "select inbox.accept_all($1, $2::uuid[], $3::text[])",
                               pqxx::params{consumer, ids, sources});
    for (const auto& [id] : accepted.iter<std::string>()) fresh.insert(id);
    return fresh;
}

}  // namespace

bool Worker::is_trouble(const pqxx::sql_error& error) const {
    return is_infrastructure(error) || (prepares_ && is_lost_statement(error));
}

bool Worker::until_it_works(const std::stop_token& stop,
                            const std::function<void(pqxx::connection&)>& work) {
    for (int attempt = 1;; ++attempt) {
        try {
            if (!session_) {
                session_.emplace(options_.dsn);
                if (prepares_) session_->prepared.emplace(session_->connection);
            }
            work(session_->connection);
            database_well_ = true;
            return true;
        } catch (const pqxx::broken_connection& error) {
            options_.log(std::string{"database: "} + error.what());
            session_.reset();
        } catch (const pqxx::in_doubt_error& error) {
            // Whether it committed or not, doing it again is right: the inbox knows.
            options_.log(std::string{"database: "} + error.what());
            session_.reset();
        } catch (const pqxx::sql_error& error) {
            if (!is_trouble(error)) throw;
            options_.log(std::string{"database: "} + error.what());
            if (is_lost_statement(error)) {
                options_.log("database: its sessions change between transactions: I prepare none");
                prepares_ = false;
            }
            if (!error.sqlstate().starts_with("40")) session_.reset();
        }
        database_well_ = false;
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock{mutex};
        never.wait_for(lock, stop,
                       backoff(attempt, options_.first_backoff, options_.last_backoff, 0.5),
                       [] { return false; });
        if (stop.stop_requested()) return false;
    }
}

void Worker::process(Share& share, const std::stop_token& stop) {
    // What was given up comes first for its lanes: nothing that follows may overtake it.
    if (gave_up_ && !faults::mutant("goes_on_after_giving_up")) return;
    gave_up_ = true;
    if (!share.follows || faults::mutant("forgets_failed")) failed_.clear();
    auto& all = share.deliveries;
    // Those that are tried again are what the others of their lane wait for.
    const auto held = std::ranges::stable_partition(all, [this](const auto* delivery) {
        return failed_.empty() || delivery->retrying || !failed_.contains(delivery->lane());
    });
    auto outcomes = process(std::span{all.begin(), held.begin()}, stop, share.fell_back);
    if (!outcomes) return;
    outcomes->resize(all.size(), {.kind = Kind::failed, .error = ""});
    failed_.clear();
    for (std::size_t i = 0; i < all.size(); ++i) {
        if ((*outcomes)[i].kind == Kind::failed) failed_.insert(all[i]->lane());
    }
    share.outcomes = std::move(*outcomes);
    gave_up_ = false;
}

std::optional<Worker::Outcomes> Worker::process(std::span<Delivery* const> deliveries,
                                                const std::stop_token& stop, bool& fell_back) {
    if (deliveries.empty()) return Outcomes{};  // without a session
    std::vector<Outcome> outcomes;
    std::set<std::string> failed;  // lanes
    const bool done = until_it_works(stop, [&](pqxx::connection& connection) {
        if (deliveries.size() > 1 && !fell_back) {
            try {
                pqxx::work tx{connection};
                outcomes = apply(tx, deliveries);
                faults::crash_point("after_effect");
                tx.commit();
                return;
            } catch (const pqxx::broken_connection&) {
                throw;
            } catch (const pqxx::in_doubt_error&) {
                throw;
            } catch (const pqxx::sql_error& error) {
                if (is_trouble(error)) throw;
            } catch (...) {
                // One of them fails; which one shows when each is alone.
            }
            fell_back = true;
            outcomes.clear();
        }
        // After an interruption it goes on where it was.
        for (std::size_t i = outcomes.size(); i < deliveries.size(); ++i) {
            if (failed.contains(deliveries[i]->lane())) {
                outcomes.push_back({.kind = Kind::failed, .error = ""});
                continue;
            }
            outcomes.push_back(apply_alone(connection, *deliveries[i]));
            if (outcomes.back().kind == Kind::failed) failed.insert(deliveries[i]->lane());
        }
    });
    if (!done) return std::nullopt;
    return outcomes;
}

Outcome Worker::apply_alone(pqxx::connection& connection, Delivery& delivery) {
    try {
        pqxx::work tx{connection};
        Delivery* const one = &delivery;
        auto outcome = apply(tx, std::span{&one, 1}).front();
        faults::crash_point("after_effect");
        tx.commit();
        return outcome;
    } catch (const pqxx::broken_connection&) {
        throw;
    } catch (const pqxx::in_doubt_error&) {
        throw;
    } catch (const pqxx::sql_error& error) {
        if (is_trouble(error)) throw;
        return failure(error);
    } catch (const PoisonMessage& error) {
        return {.kind = Kind::failed, .error = error.what(), .poison = true};
    } catch (const std::exception& error) {
        return {.kind = Kind::failed, .error = error.what()};
    } catch (...) {
        return {.kind = Kind::failed, .error = "the handler threw what is no std::exception"};
    }
}

// In one transaction: keys that wait behind a dead letter, the inbox, the effects.
Worker::Outcomes Worker::apply(pqxx::work& tx, std::span<Delivery* const> deliveries) {
    std::vector<std::string> keys;
    for (const auto* delivery : deliveries) {
        if (!delivery->malformed.empty()) throw PoisonMessage{delivery->malformed};
        if (!delivery->message.key.empty()) keys.push_back(delivery->message.key);
    }
    std::map<std::string, std::string> blocked;  // by lane: the failed event
    std::set<std::string> parked;
    const auto dead = exec(tx, blocked_sql, pqxx::params{options_.name, keys});
    for (const auto& [topic, key, id, behind] :
         dead.iter<std::string, std::string, std::string, std::string>()) {
        blocked.emplace(topic + '\0' + key, behind);
        parked.insert(id);
    }

    std::vector<Outcome> outcomes(deliveries.size());
    std::vector<Delivery*> handled;
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
        const auto& delivery = *deliveries[i];
        const auto id = delivery.message.id.to_string();
        const auto behind = blocked.find(delivery.lane());
        // The failed event itself, once it is resolved, goes through before those behind it.
        const bool waits = behind != blocked.end() && behind->second != id;
        if (parked.contains(id)) {
            outcomes[i].kind = Kind::dead;
        } else if (waits) {
            park(tx, options_.name, delivery, "waits behind " + behind->second, behind->second);
            outcomes[i].kind = Kind::dead;
        } else if (!handlers_.contains(delivery.message.type)) {
            outcomes[i].kind = Kind::ignored;
        } else {
            handled.push_back(deliveries[i]);
        }
    }
    if (handled.empty()) return outcomes;
    auto fresh = accept_all(tx, options_.name, handled);
    const BatchHandler* handler = nullptr;
    std::vector<const Message*> run;  // of messages for that handler, in their order
    const auto end_run = [&] {
        if (!run.empty()) hand_over(tx, *handler, run);
        run.clear();
    };
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
        if (outcomes[i].kind != Kind::applied) continue;
        const auto& message = deliveries[i]->message;
        const bool is_new = faults::mutant("no_inbox") || fresh.erase(message.id.to_string()) > 0;
        outcomes[i].kind = is_new ? Kind::applied : Kind::duplicate;
        if (!is_new) continue;
        const auto* const its = handlers_.find(message.type)->second.get();
        if (its != handler) end_run();
        handler = its;
        run.push_back(&message);
    }
    end_run();
    return outcomes;
}

void Worker::hand_over(pqxx::work& tx, const BatchHandler& handler, Messages messages) {
    if (!options_.around) return handler(tx, messages);
    options_.around(messages, [&](Messages same) { handler(tx, same); });
}

bool Worker::bury(const Delivery& delivery, const std::string& error, const std::stop_token& stop) {
    return until_it_works(stop, [&](pqxx::connection& connection) {
        pqxx::work tx{connection};
        park(tx, options_.name, delivery, error, std::nullopt);
        tx.commit();
    });
}

void Worker::make_partitions(const std::stop_token& stop) {
    until_it_works(stop, [&stop](pqxx::connection& connection) {
        pqxx::nontransaction tx{connection};
        tx.exec("select inbox.make_partitions()");
        tx.exec("select inbox.drop_history()");
        while (!stop.stop_requested() && tx.query_value<int>("select inbox.trim_default()") > 0) {
        }
    });
}

}  // namespace outbox
