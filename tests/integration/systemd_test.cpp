// What the relay tells systemd, by a notification socket of the test's own.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "integration/relay_fixture.hpp"
#include "support/environment.hpp"

namespace integration {
namespace {

class NotifySocket {
public:
    NotifySocket()
        : path_{std::filesystem::temp_directory_path() / support::unique_name("notify")},
          socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error{"cannot bind " + path_.string()};
    }
    ~NotifySocket() {
        ::close(socket_);
        std::filesystem::remove(path_);
    }
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;

    std::map<std::string, std::string> environment() const {
        return {{"NOTIFY_SOCKET", path_}, {"WATCHDOG_USEC", "600000"}};
    }
    // Everything that has arrived so far, a line each.
    const std::string& all() {
        std::array<char, 4096> message{};
        ssize_t length = 0;
        while ((length = ::recv(socket_, message.data(), message.size(), 0)) > 0)
            all_ += std::string{message.data(), static_cast<std::size_t>(length)} + "\n";
        return all_;
    }
    bool has(const std::string& part) { return all().find(part) != std::string::npos; }
    int count(const std::string& line) {
        int found = 0;
        all();
        for (auto at = all_.find(line + "\n"); at != std::string::npos;
             at = all_.find(line + "\n", at + 1))
            ++found;
        return found;
    }
    void await(const std::string& part) {
        support::eventually(20s, part + " among:\n" + all(), [&] { return has(part); });
    }

private:
    std::filesystem::path path_;
    int socket_;
    std::string all_;
};

}  // namespace

TEST_F(Relay, TellsSystemdWhenItIsReadyWhatItDoesAndThatItStops) {
    NotifySocket leader_said;
    NotifySocket standby_said;
    auto leader = start({}, leader_said.environment());
    leader_said.await("READY=1\n");
    leader_said.await("STATUS=leading, epoch 1: 0 published");
    auto standby = start({}, standby_said.environment());
    standby_said.await("READY=1\n");
    standby_said.await("STATUS=standby");
    append("k", "A");
    leader_said.await("STATUS=leading, epoch 1: 1 published since it started");
    for (auto* said : {&leader_said, &standby_said})
        support::eventually(20s, "beats", [&] { return said->count("WATCHDOG=1") >= 5; });
    EXPECT_EQ(leader_said.count("STOPPING=1"), 0);

    leader.signal(SIGTERM);
    EXPECT_EQ(leader.wait(20s), 0) << leader.output();
    EXPECT_EQ(leader_said.count("READY=1"), 1);
    EXPECT_EQ(leader_said.count("STOPPING=1"), 1);
    standby_said.await("STATUS=leading, epoch 2");
    EXPECT_EQ(standby_said.count("READY=1"), 1);
}

TEST_F(Relay, IsNotReadyForSystemdBeforeItReachesItsDatabase) {
    NotifySocket said;
    auto process = start({"--database-dsn", "host=127.0.0.1 port=1"}, said.environment());
    said.await("STATUS=failing");
    support::eventually(20s, "beats", [&] { return said.count("WATCHDOG=1") >= 3; });
    EXPECT_EQ(said.count("READY=1"), 0) << said.all();
}

TEST_F(Relay, StopsFeedingTheWatchdogWhileItsMainLoopHangs) {
    NotifySocket said;
    auto process = start({}, said.environment());
    said.await("STATUS=leading");
    const auto health = [port = port(process)] {
        const auto answer = httplib::Client{"127.0.0.1", port}.Get("/livez");
        return answer ? answer->status : -1;
    };
    EXPECT_EQ(health(), 200);

    pqxx::connection connection{database_.dsn()};
    pqxx::work locked{connection};
    locked.exec("lock table outbox.event in access exclusive mode");
    support::eventually(10s, "the main loop in wait for the lock", [&] {
        return query<int>(
                   "select count(*) from pg_stat_activity where datname = current_database() "
                   "and application_name = 'postroom relay' and wait_event_type = 'Lock'") == 1;
    });
    const auto before = said.count("WATCHDOG=1");
    support::eventually(60s, "/livez to see that it hangs", [&] { return health() == 503; });
    EXPECT_EQ(said.count("WATCHDOG=1"), before)
        << "the watchdog is fed while the main loop hangs, and its process does what else it does";

    locked.abort();
    support::eventually(20s, "beats again", [&] { return said.count("WATCHDOG=1") > before + 3; });
    EXPECT_EQ(health(), 200);
}

}  // namespace integration
