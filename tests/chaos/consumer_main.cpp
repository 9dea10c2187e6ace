// chaos_consumer NAME DSN BROKERS TOPIC GROUP MEMBER: notes the effect of every AccountChanged,
// until SIGTERM.
//
// GROUP may differ from NAME, so that several groups share one inbox. MEMBER makes it a static
// member of the group: a successor of the same name goes on at once after a kill. An empty one
// leaves the group at its end, and when killed is missed after seconds.
//
// POSTROOM_STUMBLES=N has every Nth event fail at its first attempt. POSTROOM_CONSUMER_PROPERTIES
// holds properties of librdkafka, a line each.
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <pqxx/pqxx>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <thread>

#include "outbox/consumer.hpp"

namespace {

constexpr auto note_sql = R"(
insert into effect (event_id, account, version, partition, process)
values ($1, $2, ($3::jsonb ->> 'version')::bigint, $4, $5))";
constexpr auto count_sql = "update total set changes = changes + 1 where account = $1";

void apply(pqxx::transaction_base& tx, const outbox::Message& message) {
    tx.exec(note_sql, pqxx::params{message.id.to_string(), message.key, message.payload,
                                   message.partition, ::getpid()});
    tx.exec(count_sql, pqxx::params{message.key});
}

// Throws at the first attempt of one event in so many.
class Stumble {
public:
    explicit Stumble(int one_in) : one_in_{one_in} {}
    void operator()() {
        if (one_in_ > 0 && ++calls_ % one_in_ == 0) throw std::runtime_error{"stumbles"};
    }

private:
    int one_in_;
    std::atomic<int> calls_{0};
};

std::map<std::string, std::string> properties(const std::string& group, const std::string& member) {
    std::map<std::string, std::string> all{{"group.id", group}};
    if (member.empty()) {
        all["session.timeout.ms"] = "6000";
    } else {
        all["group.instance.id"] = member;
    }
    const char* given = std::getenv("POSTROOM_CONSUMER_PROPERTIES");
    std::istringstream lines{given != nullptr ? given : ""};
    for (std::string line; std::getline(lines, line);)
        all[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    return all;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 7) {
        std::cerr << "usage: chaos_consumer NAME DSN BROKERS TOPIC GROUP MEMBER\n";
        return 2;
    }
    // Blocked before any thread starts, so that only sigwait takes it.
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stops, nullptr);

    outbox::Consumer consumer{{.name = argv[1],
                               .dsn = argv[2],
                               .brokers = argv[3],
                               .topics = {argv[4]},
                               .kafka = properties(argv[5], argv[6])}};
    const char* stumbles = std::getenv("POSTROOM_STUMBLES");
    Stumble stumble{stumbles != nullptr ? std::atoi(stumbles) : 0};
    consumer.on("AccountChanged",
                [&stumble](pqxx::transaction_base& tx, const outbox::Message& message) {
                    stumble();
                    apply(tx, message);
                });
    const std::jthread running{[&consumer](const std::stop_token& stop) { consumer.run(stop); }};
    int signal = 0;
    sigwait(&stops, &signal);
    return 0;
} catch (const std::exception& error) {
    std::cerr << "chaos_consumer: " << error.what() << '\n';
    return 1;
}
