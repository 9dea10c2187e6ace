#include "relay/screen.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>

namespace relay {
namespace {

// Another page than the shell's, and no cursor; and back.
constexpr std::string_view open_page = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view close_page = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view home = "\x1b[H";
constexpr std::string_view erase_rest_of_line = "\x1b[K";
constexpr std::string_view erase_below = "\x1b[J";

void put(std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written < 0) return;  // the terminal is gone; wait() sees that, too
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

// As many code points as a line has room for.
std::string_view cut(std::string_view line, std::size_t columns) {
    std::size_t end = 0;
    while (end < line.size()) {
        const bool begins = (static_cast<unsigned char>(line[end]) & 0xC0U) != 0x80U;
        if (begins && columns-- == 0) break;
        ++end;
    }
    return line.substr(0, end);
}

}  // namespace

Screen::Screen() {
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0)
        throw std::invalid_argument{"this is not a terminal: give --once"};
    sigset_t awaited;
    sigemptyset(&awaited);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&awaited, signal);
    ::pthread_sigmask(SIG_BLOCK, &awaited, &unblocked_);
    signals_ = ::signalfd(-1, &awaited, SFD_CLOEXEC);
    ::tcgetattr(STDIN_FILENO, &before_);
    auto mode = before_;
    mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    put(open_page);
}

Screen::~Screen() {
    put(close_page);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    ::close(signals_);
    ::pthread_sigmask(SIG_SETMASK, &unblocked_, nullptr);
}

void Screen::draw(std::string_view text) {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        size = {.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    std::string page{home};
    for (int row = 0; row < size.ws_row && !text.empty(); ++row) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        page += row == 0 ? "" : "\r\n";
        page += cut(line, size.ws_col);
        page += erase_rest_of_line;
    }
    page += erase_below;
    put(page);
}

bool Screen::wait(std::chrono::milliseconds time) {
    std::array<pollfd, 2> events{{{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                                  {.fd = signals_, .events = POLLIN, .revents = 0}}};
    if (::poll(events.data(), events.size(), static_cast<int>(time.count())) <= 0) return true;
    if (events[1].revents != 0) {
        signalfd_siginfo signal{};
        if (::read(signals_, &signal, sizeof signal) != sizeof signal) return false;
        return signal.ssi_signo == SIGWINCH;
    }
    char key = 0;
    return ::read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q';
}

}  // namespace relay
