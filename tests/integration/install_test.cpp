// The installed package, used by a project outside this tree: through CMake and through pkg-config.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/database.hpp"
#include "support/environment.hpp"
#include "support/process.hpp"

namespace {

using namespace std::chrono_literals;

class Install : public testing::Test {
protected:
    Install() : root_{std::filesystem::temp_directory_path() / support::unique_name("install")} {
        run("cmake --install " + support::bin("postroom").parent_path().parent_path().string() +
            " --prefix " + prefix());
    }
    ~Install() override { std::filesystem::remove_all(root_); }

    std::string prefix() const { return root_ / "prefix"; }
    static std::string project() { return support::source_dir() / "tests/integration/out_of_tree"; }
    void run(const std::string& command) const {
        support::Process process{{.argv = {"/bin/sh", "-ec", command}}};
        ASSERT_EQ(process.wait(300s), 0) << command << '\n' << process.output();
    }
    void use(const std::filesystem::path& program) const {
        support::Database database;
        const auto aggregate = support::unique_name("install");
        support::Process relay{{.argv = {prefix() + "/bin/postroom", "relay", "--database-dsn",
                                         database.dsn("postroom_relay"), "--kafka-brokers",
                                         support::kafka(), "--admin-listen", ""}}};
        support::Process user{
            {.argv = {program, database.dsn("postroom_service"), support::kafka(), aggregate}}};
        EXPECT_EQ(user.wait(60s), 0) << user.output();
        EXPECT_NE(user.output().find("received "), std::string::npos) << user.output();
    }

    std::filesystem::path root_;
};

TEST_F(Install, ServesAProjectThroughCMake) {
    const auto build = (root_ / "build").string();
    run("cmake -S " + project() + " -B " + build + " -DCMAKE_PREFIX_PATH=" + prefix() +
        " -DCMAKE_CXX_FLAGS=" POSTROOM_CXX_FLAGS " && cmake --build " + build);
    use(build + "/out_of_tree");
}

TEST_F(Install, ServesAProjectThroughPkgConfig) {
    const auto program = root_ / "out_of_tree";
    run("export PKG_CONFIG_PATH=$(dirname $(find " + prefix() +
        " -name postroom.pc)); c++ -std=c++20 " POSTROOM_CXX_FLAGS " " + project() +
        "/main.cpp -o " + program.string() + " $(pkg-config --cflags --libs postroom)");
    use(program);
}

TEST_F(Install, BringsTheSchemaForTheMigrator) {
    run(prefix() + "/bin/postroom migrate --help");
    for (const auto* file : {"0001_outbox.sql", "0002_inbox.sql", "0005_full_queue.sql"})
        EXPECT_TRUE(std::filesystem::exists(prefix() + "/share/postroom/schema/outbox/" + file))
            << file;
}

}  // namespace
