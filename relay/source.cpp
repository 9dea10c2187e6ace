#include "relay/source.hpp"

#include "relay/logical_source.hpp"
#include "relay/settings.hpp"
#include "relay/slot.hpp"
#include "relay/table_source.hpp"

namespace relay {

std::unique_ptr<Source> make_source(const Settings& settings, Connection& connection) {
    prepare_reading(connection);
    if (settings.logical) return std::make_unique<LogicalSource>(settings, connection);
    warn_of_leftover(settings, connection);
    return std::make_unique<TableSource>(connection, settings.dsn,
                                         needs_time(settings.kafka.format));
}

}  // namespace relay
