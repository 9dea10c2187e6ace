// The relay's engine: fix a window, publish it, record it; again and again.
//
// One window at a time keeps its order simple; inside it, reading, producing and confirming
// overlap. The window is recorded before its first event leaves, so that a successor repeats the
// same events in the same order; and every commit seen in it is on disk by then, so that nothing is
// published that a database crash could take back. One thread runs it; status may be read from
// others.
#pragma once

#include <stop_token>

#include "relay/publisher.hpp"
#include "relay/settings.hpp"
#include "relay/status.hpp"

namespace relay {

// Publishes the settings' shard until it is told to stop, another relay has it, or it is drained,
// if the settings say so: true then. Begins anew with growing pauses after whatever time can mend,
// throws what it cannot: bad settings, WrongSystem, a refused login.
bool publish_shard(const Settings& settings, Status& status, Caution& caution,
                   const std::stop_token& stop);

}  // namespace relay
