// postroom top, for programs and on a terminal.
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "integration/operate_fixture.hpp"
#include "support/environment.hpp"

namespace integration {
namespace {

// A shell's terminal: postroom runs on it between two lines of the shell's own.
class Terminal {
public:
    Terminal(const std::string& command, const std::string& dsn) {
        const winsize size{.ws_row = 30, .ws_col = 150, .ws_xpixel = 0, .ws_ypixel = 0};
        const auto script = "stty -a; " + command + "; echo \"ended with $?\"; stty -a";
        pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
        if (pid_ == 0) {
            ::setenv("POSTROOM_DSN", dsn.c_str(), 1);
            // Interactive, so that Ctrl-C goes to the command and not to the shell.
            ::execl("/bin/bash", "bash", "--norc", "-mc", script.c_str(), nullptr);
            ::_exit(127);
        }
    }
    ~Terminal() {
        ::close(terminal_);
        ::waitpid(pid_, nullptr, 0);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void type(std::string_view keys) {
        ASSERT_EQ(::write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
    }
    // What it has shown since the last await(), up to and with this text.
    std::string await(const std::string& text) {
        support::eventually(20s, "'" + text + "' on the terminal", [&] {
            pollfd ready{.fd = terminal_, .events = POLLIN, .revents = 0};
            std::array<char, 4096> some{};
            while (::poll(&ready, 1, 0) > 0) {
                const auto length = ::read(terminal_, some.data(), some.size());
                if (length <= 0) break;
                shown_.append(some.data(), static_cast<std::size_t>(length));
            }
            return shown_.find(text) != std::string::npos;
        });
        const auto end = shown_.find(text) + text.size();
        const auto part = shown_.substr(0, end);
        shown_.erase(0, end);
        return part;
    }

private:
    int terminal_ = -1;
    pid_t pid_ = -1;
    std::string shown_;
};

class OperatorTop : public Operator {
protected:
    std::string command() const { return support::bin("postroom").string() + " top --every 0.2"; }
};

}  // namespace

TEST_F(OperatorTop, TellsProgramsOnceHowEachShardIs) {
    append("k", "Waiting");
    auto top = rows({"top", "--once", "--every", "0.1"});
    ASSERT_EQ(top.size(), 1U);
    EXPECT_EQ(top[0]["shard"], 0);
    EXPECT_EQ(top[0]["level"], "problem");
    EXPECT_EQ(top[0]["state"], "no relay");
    EXPECT_EQ(top[0]["pending"], 1);
    EXPECT_EQ(top[0]["events/s"], 0);
    EXPECT_EQ(top[0]["cause"], "lease");
    EXPECT_EQ(top[0]["detail"], "no relay has ever run");

    auto process = start();
    await_count(0, "outbox.pending");
    top = rows({"top", "--once", "--every", "0.1"});
    EXPECT_EQ(top[0]["level"], "ok") << top;
    EXPECT_EQ(top[0]["state"], "leading");
    EXPECT_EQ(top[0]["published"], 1);
    EXPECT_EQ(top[0]["epoch"], 1);
    do_it({"pause", "--reason", "a test"});
    top = rows({"top", "--once", "--every", "0.1"});
    EXPECT_EQ(top[0]["state"], "paused");
    EXPECT_EQ(top[0]["cause"], "paused");
}

TEST_F(OperatorTop, TellsARateOfPublishing) {
    auto process = start();
    const std::jthread writer{[this](const std::stop_token& stop) {
        pqxx::connection connection{database_.dsn("postroom_service")};
        pqxx::nontransaction tx{connection};
        while (!stop.stop_requested())
            tx.exec("select outbox.append($1, 'k', 'N', '{}') from generate_series(1, 100)",
                    pqxx::params{aggregate_});
    }};
    support::eventually(30s, "a rate above zero", [&] {
        return rows({"top", "--once", "--every", "0.5"})[0]["events/s"].get<long>() > 0;
    });
}

TEST_F(OperatorTop, RefusesWhatIsNotATerminal) {
    expect_refusal({"top"}, "give --once");
    expect_refusal({"top", "-o", "json"}, "give --once");
}

TEST_F(OperatorTop, RedrawsATerminalAndLeavesItAsItWas) {
    for (const std::string_view key : {"q", "\x03"}) {
        Terminal terminal{command(), database_.dsn("postroom_operator")};
        const auto before = terminal.await("\x1b[?1049h");
        EXPECT_THAT(before, testing::HasSubstr(" icanon"));
        EXPECT_THAT(terminal.await("no relay"), testing::HasSubstr("q ends it"));
        append("k", "Waiting");
        terminal.await("problem");  // of a later look, without a key
        terminal.type(key);
        terminal.await("\x1b[?1049l");
        terminal.await("ended with 0");
        const auto after = terminal.await("-extproc");
        EXPECT_THAT(after, testing::HasSubstr(" icanon"));
        EXPECT_THAT(after, testing::HasSubstr(" echo "));
        pqxx::connection connection{database_.dsn()};
        pqxx::nontransaction{connection}.exec("truncate outbox.event");
    }
}

TEST_F(OperatorTop, GoesOnWhenItsSessionIsLost) {
    Terminal terminal{command(), database_.dsn("postroom_operator")};
    terminal.await("no relay");
    support::eventually(10s, "its session to be terminated", [&] {
        return query<int>(
                   "select count(pg_terminate_backend(pid)) from pg_stat_activity where "
                   "application_name = 'postroom operate' and datname = current_database()") > 0;
    });
    terminal.await("unexpectedly");  // what libpq says of it
    terminal.await("no relay");
    terminal.type("q");
    terminal.await("ended with 0");
}

}  // namespace integration
