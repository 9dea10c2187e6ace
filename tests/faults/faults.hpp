// Crash points and mutants: the seams by which fault tests prove that a guarantee holds.
//
//   faults::crash_point("after_produce");          // dies here under
//   POSTROOM_CRASH_AT=after_produce[:N] if (faults::mutant("no_inbox")) return true;   // only in a
//   mutants build, under POSTROOM_MUTANT=no_inbox
//
// In a build without POSTROOM_CRASH_POINTS and POSTROOM_MUTANTS both are nothing. Thread-safe.
#pragma once

#include <string_view>

#if defined(POSTROOM_CRASH_POINTS) || defined(POSTROOM_MUTANTS)
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#endif
#ifdef POSTROOM_CRASH_POINTS
#include <atomic>
#endif

namespace faults {

#ifdef POSTROOM_CRASH_POINTS
// At its N-th arrival (the first, unless told) at the step that the environment names, sends this
// process a signal: SIGKILL by POSTROOM_CRASH_AT, SIGSTOP by POSTROOM_FREEZE_AT.
inline void crash_point(std::string_view step) {
    static const char* const crash = std::getenv("POSTROOM_CRASH_AT");
    static const char* const freeze = std::getenv("POSTROOM_FREEZE_AT");
    static const char* const at = crash != nullptr ? crash : freeze;
    static const std::string wanted{at != nullptr ? at : ""};
    const auto colon = wanted.find(':');
    if (step != std::string_view{wanted}.substr(0, colon)) return;
    static std::atomic<long> left{
        colon == std::string::npos ? 1 : std::strtol(wanted.c_str() + colon + 1, nullptr, 10)};
    if (--left == 0) ::kill(::getpid(), crash != nullptr ? SIGKILL : SIGSTOP);
}
#else
inline void crash_point(std::string_view) {}
#endif

#ifdef POSTROOM_MUTANTS
// Whether the environment takes this guarantee out.
inline bool mutant(std::string_view guarantee) {
    static const std::string wanted = [] {
        const char* name = std::getenv("POSTROOM_MUTANT");
        return std::string{name != nullptr ? name : ""};
    }();
    return guarantee == wanted;
}
#else
constexpr bool mutant(std::string_view) { return false; }
#endif

}  // namespace faults
