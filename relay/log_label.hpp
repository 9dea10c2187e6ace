// The log's lines: of a relay that serves several databases, each says which one it is about.
#pragma once

#include <string>

namespace relay {

// To stderr, with the time in UTC and the label of the thread that logs.
void set_up_log();

// What begins each line that this thread logs from now on; empty: nothing.
void label_log(const std::string& label);

}  // namespace relay
