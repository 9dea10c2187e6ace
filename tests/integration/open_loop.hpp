// Clients who come at their own time, whatever has become of those before them: each on a
// connection of its own, all from one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "integration/raw_http.hpp"

namespace support {

class OpenLoop {
public:
    // The bytes of each client's request, which has to ask for the end of its connection. No more
    // than `most` clients wait for their answer at once; whoever is beyond comes late.
    OpenLoop(std::string address, std::string bytes, std::size_t most);
    ~OpenLoop();
    OpenLoop(const OpenLoop&) = delete;
    OpenLoop& operator=(const OpenLoop&) = delete;

    // So many clients a second; meanwhile calls watch every now and then.
    void run(int rate, std::chrono::seconds time, const std::function<void()>& watch);
    // Until every client has its answer; throws when one has none in time.
    void finish(std::chrono::milliseconds limit);

    // Those so far; with status 0 for a connection that ended without one.
    const std::vector<Answer>& answers() const { return answers_; }

private:
    struct Client {
        int socket;
        std::string read;
    };
    void send_one();
    void take_answers(std::chrono::milliseconds time);

    const std::string address_, bytes_;
    const std::size_t most_;
    std::vector<Client> waiting_;
    std::vector<Answer> answers_;
};

}  // namespace support
