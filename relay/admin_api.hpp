// /admin on the relay's HTTP port: what an operator asks for most, for those who know the token.
//
//   GET  /admin/status  /admin/explain?patience=S  /admin/pending?limit=N
//   POST /admin/pause {"reason": "…", "shard": 0}  /admin/resume {"shard": 0}
//
// Of a relay that serves several databases, each with ?database=NAME.
//
// The operator's commands by another way: the same SQL, the same JSON. Each request has a session
// of its own that may take five seconds; a second request meanwhile is told to come back, so that
// probes always find a thread. Errors are RFC 9457's problem+json. Thread-safe.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "relay/postgres.hpp"
#include "relay/settings.hpp"

namespace httplib {
class Server;
struct Request;
struct Response;
}  // namespace httplib

namespace relay {

class AdminApi {
public:
    // The settings outlive it.
    explicit AdminApi(const AdminSettings& settings) : settings_{settings} {}
    // It outlives the server.
    void add_to(httplib::Server& server);

private:
    using Work = std::function<Result(Connection&, const httplib::Request&)>;

    // False, with the answer, for those who may not.
    bool admits(const httplib::Request& request, httplib::Response& response) const;
    void answer(const Work& work, const httplib::Request& request, httplib::Response& response);

    const AdminSettings& settings_;
    std::mutex busy_;
};

}  // namespace relay
