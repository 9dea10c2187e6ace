// The terminal as a page that is drawn again and again, without scrolling. When this object goes,
// also by an exception, the terminal is as it was. Not thread-safe, and one at a time.
//
//   relay::Screen screen;
//   do screen.draw(text());
//   while (screen.wait(std::chrono::seconds{1}));
#pragma once

#include <signal.h>
#include <termios.h>

#include <chrono>
#include <string_view>

namespace relay {

class Screen {
public:
    // Throws std::invalid_argument when standard input and output are not both a terminal.
    Screen();
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    // What does not fit is cut off.
    void draw(std::string_view text);
    // False for q, Ctrl-C, the end of input, or a signal to end; sooner when the window has
    // changed.
    bool wait(std::chrono::milliseconds time);

private:
    termios before_{};
    sigset_t unblocked_{};
    int signals_;
};

}  // namespace relay
