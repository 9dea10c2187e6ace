#include "http/purchase/event_stream.hpp"

#include <charconv>
#include <format>
#include <nlohmann/json.hpp>

namespace http::purchase {
namespace {

constexpr int page = 100;  // events held in memory for one client

std::string to_text(const domain::purchase::store::Event& event) {
    const auto& [id, state, at] = event.change;
    nlohmann::ordered_json data{{"purchase_id", id.value},
                                {"step", to_string(state.step)},
                                {"status", to_string(state.status)},
                                {"timestamp", domain::purchase::to_text(at)}};
    if (state.success) data["success"] = *state.success;
    return std::format("id: {}\nevent: data\ndata: {}\n\n", event.seq, data.dump());
}

class EventStream {
public:
    using Clock = Feed::Clock;

    EventStream(domain::purchase::PurchaseService& service, domain::PurchaseId id,
                std::int64_t after, std::shared_ptr<Feed::Watch> watch, EventStreamOptions options)
        : service_(service),
          id_(id),
          after_(after),
          watch_(std::move(watch)),
          options_(options),
          end_(Clock::now() + options.lifetime) {}

    bool operator()(const Sink& sink, const std::stop_token& stop) {
        if (stop.stop_requested()) {
            sink(": the server stops\n\n");
            return false;
        }
        const auto events = service_.events(id_, after_, page);
        for (const auto& event : events) {
            if (!sink(to_text(event))) return false;
            after_ = event.seq;
            if (event.change.state.success) return false;
        }
        if (events.size() == page) return true;
        const auto now = Clock::now();
        if (now >= end_) {
            sink(": come back for more\n\n");
            return false;
        }
        if (watch_->await(after_, std::min(end_, now + options_.heartbeat), stop)) return true;
        return stop.stop_requested() || sink(": nothing new\n\n");
    }

private:
    domain::purchase::PurchaseService& service_;
    domain::PurchaseId id_;
    std::int64_t after_;
    std::shared_ptr<Feed::Watch> watch_;
    EventStreamOptions options_;
    Clock::time_point end_;
};

}  // namespace

std::int64_t last_event_id(std::string_view header) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), id);
    return error == std::errc{} && end == header.data() + header.size() && id > 0 ? id : 0;
}

Stream event_stream(domain::purchase::PurchaseService& service, domain::PurchaseId id,
                    std::int64_t after, std::shared_ptr<Feed::Watch> watch,
                    EventStreamOptions options) {
    // Shared, as a function is copied: the copies are one stream.
    const auto events =
        std::make_shared<EventStream>(service, id, after, std::move(watch), options);
    return
        [events](const Sink& sink, const std::stop_token& stop) { return (*events)(sink, stop); };
}

}  // namespace http::purchase
