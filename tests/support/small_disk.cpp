#include "support/small_disk.hpp"

#include <fcntl.h>
#include <sys/mount.h>

#include <format>
#include <system_error>

#include "support/environment.hpp"
#include "support/loopback.hpp"

namespace support {

SmallDisk::SmallDisk(int mebibytes)
    : dir_{std::filesystem::temp_directory_path() / unique_name("disk")} {
    std::filesystem::create_directories(dir_);
    const auto options = std::format("mode=0755,size={}m", mebibytes);
    if (::mount("tmpfs", dir_.c_str(), "tmpfs", MS_NOSUID, options.c_str()) != 0)
        throw std::system_error{errno, std::generic_category(), "mount a tmpfs"};
    std::filesystem::create_directories(path());
}

SmallDisk::~SmallDisk() {
    ::umount2(dir_.c_str(), MNT_DETACH);
    std::error_code ignored;
    std::filesystem::remove(dir_, ignored);
}

void SmallDisk::fill(int mebibytes_left) const {
    const auto left = static_cast<std::uintmax_t>(mebibytes_left) << 20U;
    const auto free = std::filesystem::space(dir_).available;
    const Descriptor ballast{
        ::open((dir_ / "ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
    const int error =
        free > left ? ::posix_fallocate(ballast.get(), 0, static_cast<off_t>(free - left)) : EINVAL;
    if (error != 0) throw std::system_error{error, std::generic_category(), "fill the disk"};
}

void SmallDisk::make_room() const { std::filesystem::remove(dir_ / "ballast"); }

}  // namespace support
