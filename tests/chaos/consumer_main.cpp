// chaos_consumer NAME DSN BROKERS TOPIC GROUP MEMBER: notes the effect of every AccountChanged,
// until SIGTERM.
//
// GROUP may differ from NAME, so that several groups share one inbox. MEMBER makes it a static
// member of the group: a successor of the same name goes on at once after a kill.
#include <csignal>
#include <iostream>
#include <pqxx/pqxx>
#include <stop_token>
#include <thread>

#include "outbox/consumer.hpp"

namespace {

constexpr auto note_sql = "insert into effect (event_id, account) values ($1, $2)";
constexpr auto count_sql = "update total set changes = changes + 1 where account = $1";

void apply(pqxx::transaction_base& tx, const outbox::Message& message) {
    tx.exec(note_sql, pqxx::params{message.id.to_string(), message.key});
    tx.exec(count_sql, pqxx::params{message.key});
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
                               .kafka = {{"group.id", argv[5]}, {"group.instance.id", argv[6]}}}};
    consumer.on("AccountChanged", apply);
    const std::jthread running{[&consumer](const std::stop_token& stop) { consumer.run(stop); }};
    int signal = 0;
    sigwait(&stops, &signal);
    return 0;
} catch (const std::exception& error) {
    std::cerr << "chaos_consumer: " << error.what() << '\n';
    return 1;
}
