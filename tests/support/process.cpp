#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <format>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace support {
namespace {

std::system_error failure(const std::string& what) {
    return std::system_error{errno, std::generic_category(), what};
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& overlay) {
    std::vector<std::string> merged;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text{*entry};
        if (!overlay.contains(std::string{text.substr(0, text.find('='))}))
            merged.emplace_back(text);
    }
    for (const auto& [name, value] : overlay) merged.push_back(name + "=" + value);
    return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

std::string tail(const std::string& text) {
    constexpr std::size_t limit = 2000;
    return text.size() <= limit ? text : text.substr(text.size() - limit);
}

}  // namespace

Process::Process(const Options& options) {
    // Everything that allocates comes before the fork: other threads may hold the allocator's lock.
    std::vector<std::string> arguments = options.argv;
    std::vector<std::string> environment = merged_environment(options.env);
    const std::vector<char*> argv = pointers(arguments);
    const std::vector<char*> envp = pointers(environment);
    output_ = ::memfd_create("output", MFD_CLOEXEC);
    if (output_ < 0) throw failure("memfd_create");
    pid_ = ::fork();
    if (pid_ < 0) throw failure("fork");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::dup2(output_, STDOUT_FILENO);
        ::dup2(output_, STDERR_FILENO);
        ::execve(argv[0], argv.data(), envp.data());
        constexpr std::string_view message = "cannot execute the program\n";
        [[maybe_unused]] const auto written =
            ::write(STDERR_FILENO, message.data(), message.size());
        ::_exit(127);
    }
}

Process::~Process() {
    if (running()) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(output_);
}

void Process::signal(int number) {
    if (running() && ::kill(pid_, number) != 0) throw failure("kill");
}

bool Process::takes(int number) const {
    // Of every thread: the one inside sigwait has it unblocked.
    const std::filesystem::path threads{std::format("/proc/{}/task", pid_)};
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator{threads, gone}) {
        std::ifstream status{thread.path() / "status"};
        for (std::string line; std::getline(status, line);) {
            if (!line.starts_with("SigBlk:") && !line.starts_with("SigCgt:")) continue;
            const auto mask = std::stoull(line.substr(line.find(':') + 1), nullptr, 16);
            if (((mask >> (number - 1)) & 1U) != 0) return true;
        }
    }
    return false;
}

bool Process::running() {
    if (status_) return false;
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) status_ = status;
    return ended == 0;
}

int Process::wait(std::chrono::seconds limit) {
    if (running()) {
        // By number: glibc 2.41 declares pidfd_open without C linkage.
        const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
        if (descriptor < 0) throw failure("pidfd_open");
        pollfd ended{descriptor, POLLIN, 0};
        const std::chrono::milliseconds milliseconds{limit};
        while (::poll(&ended, 1, static_cast<int>(milliseconds.count())) < 0 && errno == EINTR) {
        }
        ::close(descriptor);
        if (running()) {
            throw std::runtime_error{"process " + std::to_string(pid_) + " still runs after " +
                                     std::to_string(limit.count()) + " s; its output ends:\n" +
                                     tail(output())};
        }
    }
    return *status_;
}

std::string Process::output() const {
    std::string text;
    std::array<char, 65536> buffer{};
    ssize_t got = 0;
    while ((got = ::pread(output_, buffer.data(), buffer.size(), static_cast<off_t>(text.size()))) >
           0) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
}

}  // namespace support
