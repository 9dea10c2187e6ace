// Preloaded into a relay: its wall clock is POSTROOM_CLOCK_SHIFT_S seconds off, for all of its
// threads and libraries, while time passes as fast as ever.
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

namespace {

time_t shift() {
    static const time_t seconds = [] {
        const char* given = std::getenv("POSTROOM_CLOCK_SHIFT_S");
        return given != nullptr ? std::atol(given) : 0;
    }();
    return seconds;
}

timespec shifted_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
    const long error = ::syscall(SYS_clock_gettime, clock, now);
    if (error == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift();
    return static_cast<int>(error);
}

int gettimeofday(timeval* now, void*) noexcept {
    const timespec exact = shifted_now();
    *now = {exact.tv_sec, exact.tv_nsec / 1000};
    return 0;
}

time_t time(time_t* now) noexcept {
    const time_t seconds = shifted_now().tv_sec;
    if (now != nullptr) *now = seconds;
    return seconds;
}

int timespec_get(timespec* now, int base) noexcept {
    *now = shifted_now();
    return base;
}

// librdkafka waits with these until a time of the wall clock, which the kernel reads unshifted.
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
    const timespec real{until->tv_sec - shift(), until->tv_nsec};
    const int error = ::pthread_cond_timedwait(reinterpret_cast<pthread_cond_t*>(condition),
                                               reinterpret_cast<pthread_mutex_t*>(mutex), &real);
    return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}
}
