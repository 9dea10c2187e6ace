// A child process: started, signalled, waited for, and never left behind.
//
//   support::Process relay{{.argv = {support::bin("postroom"), "relay"}, .env = {{"K", "V"}}}};
//   relay.signal(SIGTERM);
//   int status = relay.wait(std::chrono::seconds{10});  // as of waitpid: WIFEXITED(status)…
//
// The child gets this process's environment with `env` laid over it; stdout and stderr are kept in
// memory for output(). It is killed when this object goes, or when the thread that started it ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace support {

class Process {
public:
    struct Options {
        std::vector<std::string> argv;  // argv[0]: the program's path
        std::map<std::string, std::string> env = {};
    };

    explicit Process(const Options& options);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number);       // nothing once it has ended
    bool takes(int number) const;  // whether it blocks or catches that signal
    bool running();
    int wait(std::chrono::seconds limit);  // throws, with the output's end, when it runs on
    std::string output() const;            // everything so far

private:
    pid_t pid_ = -1;
    int output_ = -1;  // a memfd
    std::optional<int> status_;
};

}  // namespace support
