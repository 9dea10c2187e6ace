// The relay's engine: fix a window, publish it, record it; again and again.
//
// One window at a time keeps its order simple; inside it, reading, producing and confirming
// overlap. The window is on disk before its first event leaves, so that a successor repeats the
// same events in the same order, and with it every commit seen in it, so that nothing is published
// that a database crash could take back. One thread runs it; status may be read from others.
#pragma once

#include <stop_token>

#include "relay/settings.hpp"
#include "relay/status.hpp"

namespace relay {

// Publishes until it is told to stop (or is drained, if the settings say so); begins anew with
// growing pauses after whatever time can mend, throws what it cannot: bad settings, WrongSystem, a
// refused login.
void run(const Settings& settings, Status& status, const std::stop_token& stop);

}  // namespace relay
