// Refusals that a shared machine cannot be brought to by honest use: the commit limit, a full memory cgroup, a kernel
// without memory. Each is told by its own limit, with numbers and what to type, and everything else goes on.
//
// The commit limit is real, and only set on the guest's kernel. A cgroup that is full kills rather than refuses, and a
// kernel has memory as a rule: there the answer of mprotect() is ENOMEM by a seccomp filter, and all around it is real.
#include "diagnose/cgroup_box.hpp"

#include <ramie/fiber.hpp>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace {

using ramie::fiber;
using ramie::stack_limit;
namespace this_fiber = ramie::this_fiber;

constexpr int not_here = 77;

int status_of_child(const std::function<int()>& child) {
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Makes fibers until one is refused, by `expected` and with `words` in its text; then one ends, and its stack is enough
// for the one that was refused. 0, or which step failed.
int fill_until(stack_limit expected, const std::vector<std::string>& words, std::vector<fiber> fibers = {}) {
  const ramie::guard before = ramie::count_stacks().guard;
  try {
    for (int i = 0; i < 200'000; ++i) {
      fibers.emplace_back([] { this_fiber::suspend(); }, ramie::fiber_options{.stack_bytes = 1 << 20});
      fibers.back().resume();
    }
  } catch (const ramie::stack_error& error) {
    std::printf("after %zu fibers: %s\n", fibers.size(), error.what());
    std::fflush(stdout);
    if (error.limit() != expected) return 3;
    for (const std::string& word : words) {
      if (std::string(error.what()).find(word) == std::string::npos) return 4;
    }
    if (error.cure().empty()) return 5;
    if (fibers.size() < 2) return 6;
    if (ramie::count_stacks().guard != before) return 10;
    if (fibers.front().resume()) return 7;  // ends
    if (!fibers.back().resume()) return 8;  // takes its stack
    return 0;
  }
  return 2;
}

// From here on the kernel has no memory for mprotect(), which is how stacks are opened.
bool refuse_mprotect() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool write_file(const char* path, const char* value) {
  std::ofstream file(path);
  return static_cast<bool>(file << value << std::flush);
}

void start_a_few(std::vector<fiber>& fibers) {
  for (int i = 0; i < 3; ++i) {
    fibers.emplace_back([] { this_fiber::suspend(); }, ramie::fiber_options{.stack_bytes = 1 << 20});
    fibers.back().resume();
  }
}

TEST(refusals_test, a_commit_limit_is_named) {
  if (std::getenv("RAMIE_GUEST") == nullptr) {
    std::puts("skipped: vm.overcommit_memory=2: set in the guest only, this machine is shared");
    GTEST_SKIP();
  }
  ASSERT_TRUE(write_file("/proc/sys/vm/overcommit_memory", "2"));
  const int status = status_of_child([] {
    return fill_until(stack_limit::commit, {"vm.overcommit_memory is 2", "the commit limit is ", " MiB are promised",
                                            "Raise vm.overcommit_ratio, set vm.overcommit_memory=0"});
  });
  ASSERT_TRUE(write_file("/proc/sys/vm/overcommit_memory", "0"));
  EXPECT_EQ(status, 0);
}

TEST(refusals_test, a_kernel_without_memory_is_told_apart_from_every_limit) {
  const int status = status_of_child([] {
    std::vector<fiber> fibers;
    start_a_few(fibers);
    if (!refuse_mprotect()) return not_here;
    return fill_until(stack_limit::kernel_memory,
                      {"Cannot allocate memory", "no limit that this process can read is reached", "dmesg"},
                      std::move(fibers));
  });
  if (status == not_here) GTEST_SKIP() << "skipped: ENOMEM by seccomp: no filters here";
  EXPECT_EQ(status, 0);
}

TEST(refusals_test, a_full_memory_cgroup_is_named) {
  const ramie::test::cgroup_box box("memory", "ramie-refusals");
  if (!box.refused().empty()) {
    std::printf("skipped: a memory cgroup: %s\n", box.refused().c_str());
    GTEST_SKIP();
  }
  const char* limit = box.unified() ? "memory.max" : "memory.limit_in_bytes";
  const char* usage = box.unified() ? "memory.current" : "memory.usage_in_bytes";
  constexpr std::size_t allowed = std::size_t{48} << 20;
  ASSERT_TRUE(box.put(limit, std::to_string(allowed)));
  const int status = status_of_child([&] {
    if (!box.enter(getpid())) return not_here;
    std::vector<fiber> fibers;
    start_a_few(fibers);
    // Full but for fifteen sixteenths of a MiB: a page more than that is not risked, or the group's killer comes.
    auto* memory = static_cast<char*>(
        mmap(nullptr, allowed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (memory == MAP_FAILED) return 9;
    for (std::size_t at = 0; at < allowed; at += 65536) {
      if (std::strtoull(box.get(usage).c_str(), nullptr, 10) + (std::size_t{15} << 16) > allowed) break;
      for (std::size_t page = 0; page < 65536; page += 4096) memory[at + page] = 1;
    }
    if (!refuse_mprotect()) return not_here;
    return fill_until(stack_limit::memory_cgroup,
                      {"the memory cgroup allows 48 MiB and 47 MiB are in use", "Raise memory.max of the container"},
                      std::move(fibers));
  });
  if (status == not_here) GTEST_SKIP() << "skipped: a memory cgroup: it may not be entered here";
  EXPECT_EQ(status, 0);
}

}  // namespace
