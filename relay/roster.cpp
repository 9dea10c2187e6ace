#include "relay/roster.hpp"

#include <algorithm>
#include <sstream>

#include "faults.hpp"

namespace relay {
namespace {

// Nothing but the server's clock counts.
std::optional<std::string> own_clock() {
    if (!faults::mutant("wall_clock_lease")) return std::nullopt;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::to_string(now / std::chrono::seconds{1});
}

std::vector<int> from_array(std::string_view text) {
    std::istringstream in{std::string{text.substr(1)}};
    std::vector<int> numbers;
    for (int number{}; in >> number; in.ignore()) numbers.push_back(number);
    return numbers;
}

}  // namespace

std::map<int, std::string> divide(const std::vector<Leased>& shards,
                                  const std::vector<Attending>& relays) {
    std::map<int, std::string> owners;
    if (relays.empty()) return owners;
    const auto share = (shards.size() + relays.size() - 1) / relays.size();
    std::map<std::string, std::size_t> counts;
    const auto can = [](const Attending& relay, int shard) {
        return !relay.able || std::ranges::find(*relay.able, shard) != relay.able->end();
    };
    for (const auto& [shard, holder, is_free] : shards) {
        const auto relay = std::ranges::find(relays, holder, &Attending::holder);
        if (relay == relays.end() || !can(*relay, shard) || counts[holder] == share) continue;
        owners[shard] = holder;
        ++counts[holder];
    }
    for (const auto& [shard, holder, is_free] : shards) {
        if (owners.contains(shard)) continue;
        const Attending* least = nullptr;
        for (const auto& relay : relays) {
            if (can(relay, shard) &&
                (least == nullptr || counts[relay.holder] < counts[least->holder]))
                least = &relay;
        }
        if (least == nullptr) continue;
        owners[shard] = least->holder;
        ++counts[least->holder];
    }
    return owners;
}

Roster::Roster(const Settings& settings)
    : settings_{settings}, connection_{settings.dsn, "postroom relay"} {
    connection_.run("listen outbox_lease");
}

void Roster::attend(const std::optional<std::vector<int>>& able) {
    const auto tell = able ? std::optional{as_array(*able)} : std::nullopt;
    const auto now = Clock::now();
    if (tell == told_ && now - attended_ < settings_.lease / 4) return;
    connection_.run("select outbox.attend($1, $2::int[], $3::interval)",
                    {settings_.holder, tell, std::to_string(settings_.lease.count()) + " ms"});
    told_ = tell;
    attended_ = now;
}

void Roster::leave() { connection_.run("select outbox.leave($1)", {settings_.holder}); }

std::vector<Leased> Roster::shards() {
    const auto rows = connection_.run(
        "select shard, holder, expires_at < coalesce(to_timestamp($1), clock_timestamp()) "
        "from outbox.lease where shard < shards order by shard",
        {own_clock()});
    std::vector<Leased> all;
    all.reserve(static_cast<std::size_t>(rows.rows()));
    for (int row = 0; row < rows.rows(); ++row)
        all.push_back({.shard = static_cast<int>(rows.number(row, 0)),
                       .holder = std::string{rows.at(row, 1)},
                       .is_free = rows.at(row, 2) == "t"});
    return all;
}

std::vector<Attending> Roster::relays() {
    const auto rows = connection_.run(
        "select holder, shards from outbox.relay "
        "where expires_at > coalesce(to_timestamp($1), clock_timestamp()) or holder = $2 "
        "order by holder",
        {own_clock(), settings_.holder});
    std::vector<Attending> all;
    for (int row = 0; row < rows.rows(); ++row) {
        Attending relay{.holder = std::string{rows.at(row, 0)}, .able = std::nullopt};
        if (!rows.null(row, 1)) relay.able = from_array(rows.at(row, 1));
        all.push_back(std::move(relay));
    }
    return all;
}

void Roster::wait(std::chrono::milliseconds limit, int wake_up_fd) {
    static_cast<void>(connection_.await_notification(limit, wake_up_fd));
}

}  // namespace relay
