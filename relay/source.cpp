#include "relay/source.hpp"

#include <stdexcept>
#include <string>

#include "relay/logical_source.hpp"
#include "relay/settings.hpp"
#include "relay/slot.hpp"
#include "relay/table_source.hpp"

namespace relay {

std::unique_ptr<Source> make_source(const Settings& settings, Connection& connection, int shards) {
    prepare_reading(connection);
    if (settings.logical && shards > 1)
        throw std::invalid_argument{
            "relay.source = logical publishes an outbox of one shard, and "
            "this one has " +
            std::to_string(shards) + ": set relay.source = table, or run: postroom shards 1"};
    if (settings.logical) return std::make_unique<LogicalSource>(settings, connection);
    warn_of_leftover(settings, connection);
    return std::make_unique<TableSource>(
        connection, settings.dsn,
        TableSource::Scope{.shard = settings.shard,
                           .shards = shards,
                           .with_time = needs_time(settings.kafka.format)});
}

}  // namespace relay
