// A disk of a test's own, which may be full: a tmpfs. Needs root.
//
//   support::SmallDisk disk{64};  // MiB
//   support::PostgresServer server{{}, disk.path()};
//   disk.fill(2);     // leaves so many MiB
//   disk.make_room();
#pragma once

#include <filesystem>

namespace support {

class SmallDisk {
public:
    explicit SmallDisk(int mebibytes);
    ~SmallDisk();
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    std::filesystem::path path() const { return dir_ / "empty"; }
    void fill(int mebibytes_left) const;
    void make_room() const;

private:
    std::filesystem::path dir_;
};

}  // namespace support
