// Reading: maps and smaps as the kernel writes them, limits, cgroups of both versions, and processes that are gone.
#include "diagnose/child.hpp"
#include "diagnose/report.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace {

namespace fs = std::filesystem;
using namespace ramie;

// A /proc and a /sys of our own making, gone with the test.
class saved_tree : public testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::temp_directory_path() / ("ramie-tree-" + std::to_string(getpid()));
    fs::create_directories(base_ / "proc");
  }
  void TearDown() override { fs::remove_all(base_); }

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((base_ / file).parent_path());
    std::ofstream(base_ / file) << text;
  }
  os::proc_root root() const { return os::proc_root::at((base_ / "proc").string()); }

  fs::path base_;
};

TEST(maps, a_line_is_read_with_its_name_and_access) {
  os::mapping_list list = os::parse_maps(
      "5625126d2000-5625126d5000 r--p 00001000 fe:00 248030                     /usr/bin/a b (deleted)\n"
      "7f0000000000-7f0000001000 rw-s 00000000 00:00 0 \n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
  ASSERT_EQ(list.mappings.size(), 3U);
  EXPECT_EQ(list.mappings[0].start, 0x5625126d2000U);
  EXPECT_EQ(list.mappings[0].bytes(), 0x3000U);
  EXPECT_EQ(list.mappings[0].offset, 0x1000U);
  EXPECT_EQ(list.name_of(list.mappings[0]), "/usr/bin/a b (deleted)");
  EXPECT_TRUE(list.mappings[0].has_file);
  EXPECT_TRUE(list.mappings[1].shared && list.mappings[1].writable);
  EXPECT_EQ(list.name_of(list.mappings[1]), "");
  EXPECT_EQ(list.unreadable_lines, 0U);
}

TEST(maps, broken_lines_are_counted_and_never_believed) {
  for (std::string text : {"", "\n\n", "nonsense", "12-", "5-3 rw-p 0 0:0 0\n", "1-2 rw-p", "1-2 rw-p 0 00:00 ",
                           "zz-zz rw-p 0 0:0 0 x\n"}) {
    EXPECT_TRUE(os::parse_maps(text).mappings.empty()) << text;
  }
  std::string cut = "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n7f0000002000-7f00";
  os::mapping_list list = os::parse_maps(cut);
  EXPECT_EQ(list.mappings.size(), 1U);
  EXPECT_EQ(list.unreadable_lines, 1U);
}

TEST(smaps, details_and_flags_belong_to_the_mapping_above_them) {
  os::mapping_list list = os::parse_smaps(
      "7f0000000000-7f0000004000 rw-p 00000000 00:00 0 \nSize: 16 kB\nRss:   8 kB\nPss: 4 kB\nShared_Dirty: 4 kB\n"
      "Private_Dirty:   4 kB\nAnonymous: 8 kB\nVmFlags: rd wr mr mw me ac dc sd \n"
      "7f0000004000-7f0000005000 r--p 00000000 00:00 0 \nSize: 4 kB\nVmFlags: rd mr mw me \n");
  ASSERT_EQ(list.details.size(), 2U);
  EXPECT_EQ(list.details[0].resident, 8192U);
  EXPECT_EQ(list.details[0].private_dirty, 4096U);
  EXPECT_TRUE(list.details[0].accounted());
  EXPECT_TRUE(list.details[0].not_inherited());
  EXPECT_FALSE(list.details[1].accounted());
}

TEST(smaps, the_live_file_agrees_with_maps) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::puts("skipped: smaps against maps: a sanitizer makes mappings of its own between the two");
  GTEST_SKIP();
#endif
  os::mapping_list maps = os::read_maps({}, getpid());
  os::mapping_list smaps = os::read_smaps({}, getpid());
  ASSERT_EQ(maps.error, 0);
  ASSERT_EQ(smaps.error, 0);
  // Reading the second may add a mapping for its own text.
  EXPECT_NEAR(static_cast<double>(maps.mappings.size()), static_cast<double>(smaps.mappings.size()), 3);
  EXPECT_EQ(smaps.details.size(), smaps.mappings.size());
  EXPECT_FALSE(smaps.details.front().flags.empty());
}

TEST(limits, the_soft_one_counts_and_unlimited_is_none) {
  os::process_limits limits = os::parse_limits(
      "Limit                     Soft Limit           Hard Limit           Units     \n"
      "Max stack size            8388608              unlimited            bytes     \n"
      "Max processes             unlimited            unlimited            processes \n"
      "Max open files            1024                 524288               files     \n");
  EXPECT_EQ(limits.stack, 8388608U);
  EXPECT_EQ(limits.processes, os::unlimited);
  EXPECT_EQ(limits.files, 1024U);
  EXPECT_EQ(limits.address_space, os::unlimited);
}

TEST(kernel, versions_compare_as_numbers) {
  EXPECT_TRUE(os::parse_kernel_version("6.18.44-x\n").at_least(5, 2));
  EXPECT_FALSE(os::parse_kernel_version("4.18.0-553.el8").at_least(5, 2));
  EXPECT_FALSE(os::parse_kernel_version("5.1.21").at_least(5, 2));
  EXPECT_FALSE(os::parse_kernel_version("").known());
}

TEST(kernel, what_it_keeps_is_the_high_mark_and_the_largest_protection_of_each_zone) {
  std::string zoneinfo =
      "Node 0, zone      DMA\n  pages free     3840\n        min      10\n        low      13\n        high     16\n"
      "        managed  3840\n        protection: (0, 1000, 2000, 2000)\n    vm stats threshold: 2\n"
      "              high:  7\n"
      "Node 0, zone   Normal\n        high     500\n        managed  100000\n        protection: (0, 0, 0, 0)\n";
  EXPECT_EQ(os::parse_kept_by_kernel(zoneinfo, 4096), (2016U + 500U) * 4096U);
}

TEST_F(saved_tree, a_version_2_tree_is_read_from_the_group_up_to_the_root) {
  write("sys/fs/cgroup/cgroup.controllers", "pids memory\n");
  write("sys/fs/cgroup/a/pids.max", "10\n");
  write("sys/fs/cgroup/a/pids.current", "9\n");
  write("sys/fs/cgroup/a/pids.events", "max 4\n");
  write("sys/fs/cgroup/a/b/pids.max", "max\n");
  write("sys/fs/cgroup/a/b/pids.current", "3\n");
  write("sys/fs/cgroup/a/b/memory.max", "1048576\n");
  write("sys/fs/cgroup/a/b/memory.current", "1000000\n");
  write("sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 4096\nactive_file 8192\nslab_reclaimable 100\n");
  os::cgroup_chain pids = os::read_pids_cgroups(root(), "0::/a/b\n");
  ASSERT_EQ(pids.version, 2);
  ASSERT_EQ(pids.levels.size(), 3U);
  EXPECT_FALSE(pids.levels[0].limited());
  EXPECT_EQ(pids.levels[1].limit, 10U);
  EXPECT_EQ(pids.levels[1].used, 9U);
  EXPECT_EQ(pids.levels[1].refused, 4U);
  os::cgroup_chain memory = os::read_memory_cgroups(root(), "0::/a/b\n");
  EXPECT_EQ(memory.levels[0].limit, 1048576U);
  EXPECT_EQ(memory.levels[0].reclaimable, 4096U + 8192U + 100U);
}

TEST_F(saved_tree, a_version_1_tree_is_found_by_its_controller) {
  write("sys/fs/cgroup/pids/x/pids.max", "7\n");
  write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
  std::string membership = "8:pids:/x\n4:memory:/x\n0::/\n";
  EXPECT_EQ(os::read_pids_cgroups(root(), membership).version, 1);
  EXPECT_EQ(os::read_pids_cgroups(root(), membership).levels[0].limit, 7U);
  EXPECT_FALSE(os::read_memory_cgroups(root(), membership).levels[0].limited());
}

TEST_F(saved_tree, a_group_that_is_not_visible_falls_back_to_the_top_and_says_so) {
  write("sys/fs/cgroup/cgroup.controllers", "pids\n");
  write("sys/fs/cgroup/pids.max", "5\n");
  for (const char* membership : {"0::/docker/abc\n", "0::/../other\n"}) {
    os::cgroup_chain chain = os::read_pids_cgroups(root(), membership);
    EXPECT_TRUE(chain.cut_off) << membership;
    ASSERT_EQ(chain.levels.size(), 1U);
    EXPECT_EQ(chain.levels[0].limit, 5U);
  }
}

TEST(a_process, that_never_was_is_gone) {
  diagnose::report about = diagnose::examine({}, 4194304 - 1, {});
  EXPECT_FALSE(about.readable());
  EXPECT_EQ(about.facts.error, ENOENT);
}

TEST(a_process, that_is_a_zombie_is_gone) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_FALSE(diagnose::examine({}, child, {}).readable());
  waitpid(child, nullptr, 0);
}

// Children that die at every possible moment of being read: no exception, and either a whole report or an error. They
// inherit thousands of mappings, so that reading takes some milliseconds.
TEST(a_process, that_dies_while_it_is_read_gives_an_error_or_a_report) {
  constexpr std::size_t page = 4096, stacks = 3000;
  void* at =
      mmap(nullptr, stacks * 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(at, MAP_FAILED);
  for (std::size_t i = 0; i != stacks; ++i) mprotect(static_cast<char*>(at) + i * 2 * page, page, PROT_NONE);
  unsigned readable = 0;
  for (unsigned round = 0; round != 200; ++round) {
    pid_t child = fork();
    if (child == 0) {
      usleep(round * 25);
      _exit(0);
    }
    diagnose::report about = diagnose::examine({}, child, {0.8, round % 2 == 0});
    if (about.readable()) {
      ++readable;
      EXPECT_GE(about.mappings.count, 2 * stacks);
    } else {
      EXPECT_TRUE(about.facts.error == ENOENT || about.facts.error == ESRCH) << about.facts.error;
    }
    waitpid(child, nullptr, 0);
  }
  munmap(at, stacks * 2 * page);
  std::cout << readable << " of 200 were read before they died" << std::endl;
}

TEST(a_process, of_another_user_is_not_permitted_without_root) {
  if (geteuid() != 0) {
    std::cout << "skipped: other users' processes: becoming another user needs root" << std::endl;
    GTEST_SKIP();
  }
  int target = getpid();
  pid_t child = fork();
  if (child == 0) {
    if (setresuid(61234, 61234, 61234) != 0) _exit(9);
    diagnose::report about = diagnose::examine({}, target, {});
    _exit(!about.readable() && about.facts.error == EACCES ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
