// Processors by affinity and by quota, threads with and without an owner.
#include "os/thread.hpp"

#include "os/futex.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace ramie_test {
namespace {

using namespace ramie::os;

// A /proc and a cgroup tree of our own.
class saved_machine : public testing::Test {
 protected:
  void SetUp() override {
    std::array<char, 32> name{"/tmp/ramie-os-XXXXXX"};
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory = name.data();
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(directory + "/" + file).parent_path());
    std::ofstream(directory + "/" + file) << text;
  }
  [[nodiscard]] std::optional<std::uint64_t> quota() const {
    proc_root root;
    root.proc = directory + "/proc";
    root.cgroup = directory + "/cgroup";
    return processor_quota_thousandths(root);
  }
  std::string directory;
};

TEST_F(saved_machine, the_tightest_quota_of_all_levels_counts) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("cgroup/cgroup.controllers", "cpu\n");
  write("cgroup/a/cpu.max", "150000 100000\n");
  write("cgroup/a/b/cpu.max", "800000 100000\n");
  EXPECT_EQ(quota(), 1500);
}

TEST_F(saved_machine, no_quota_is_none) {
  write("proc/self/cgroup", "0::/a\n");
  write("cgroup/cgroup.controllers", "cpu\n");
  write("cgroup/a/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(saved_machine, version_1_has_two_files) {
  write("proc/self/cgroup", "4:cpu,cpuacct:/a\n");
  write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "20000\n");
  write("cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "10000\n");
  EXPECT_EQ(quota(), 2000);
}

TEST(threads, a_thread_runs_on_one_processor_only_when_told) {
  const auto before = allowed_processors();
  ASSERT_FALSE(before.empty());
  EXPECT_GE(usable_processors(), 1U);
  EXPECT_LE(usable_processors(), before.size());
  ASSERT_EQ(run_only_on({before.back()}), 0);
  EXPECT_EQ(allowed_processors(), std::vector{before.back()});
  EXPECT_EQ(run_only_on(before), 0);
  EXPECT_EQ(allowed_processors(), before);
  EXPECT_NE(run_only_on({}), 0);
  EXPECT_NE(run_only_on({60000}), 0);
}

TEST(threads, a_joined_one_has_run_when_it_was_joined) {
  int ran = 0;
  {
    joined_thread one;
    ASSERT_EQ(one.start(
                  "a name that is much too long", [](void* place) { ++*static_cast<int*>(place); }, &ran),
              0);
  }
  EXPECT_EQ(ran, 1);
}

TEST(threads, a_detached_one_gets_no_signals) {
  static std::atomic<std::uint32_t> blocked = 2;
  const auto look = [](void*) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked = sigismember(&mask, SIGTERM) == 1 ? 1 : 0;
    futex_wake_one(blocked);
  };
  ASSERT_EQ(start_detached_thread("detached", 0, look, nullptr), 0);
  while (blocked == 2) futex_wait(blocked, 2);
  EXPECT_EQ(blocked, 1U);
  EXPECT_NE(start_detached_thread("detached", 1, look, nullptr), 0);
}

}  // namespace
}  // namespace ramie_test
