// Appends one event, and waits for it to come back through the relay.
#include <cstdio>
#include <outbox/append.hpp>
#include <outbox/consumer.hpp>
#include <outbox/inbox.hpp>
#include <pqxx/pqxx>
#include <stop_token>

int main(int argc, char** argv) {
    if (argc != 4) return std::puts("usage: out_of_tree DSN BROKERS AGGREGATE_TYPE"), 2;
    const std::string dsn{argv[1]}, brokers{argv[2]}, aggregate{argv[3]};
    pqxx::connection connection{dsn};
    pqxx::work tx{connection};
    const auto id = outbox::append(tx, {.aggregate_type = aggregate,
                                        .aggregate_id = "1",
                                        .type = "Greeted",
                                        .content = outbox::Json{R"({"hello": "world"})"}});
    tx.commit();

    std::stop_source stop;
    outbox::Consumer consumer{{.name = "out_of_tree",
                               .dsn = dsn,
                               .brokers = brokers,
                               .topics = {"outbox.event." + aggregate}}};
    consumer.on("Greeted", [&](pqxx::transaction_base&, const outbox::Message& message) {
        if (message.id == id) stop.request_stop();
    });
    consumer.run(stop.get_token());
    std::printf("received %s\n", id.to_string().c_str());
}
