// Memory of free stacks goes back, and nothing but that: guards hold, fibers find their stacks. On every rung.
#include <ramie/fiber.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using ramie::fiber;
using ramie::trim;
namespace this_fiber = ramie::this_fiber;

#if defined(RAMIE_ASAN) || defined(RAMIE_TSAN)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

// True when the kernel refuses to write there, which is what a guard is for.
bool is_guarded(std::uintptr_t address) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  char byte = 0;
  if (write(ends[1], &byte, 1) != 1) return false;
  const bool refused = syscall(SYS_read, ends[0], reinterpret_cast<void*>(address), 1) < 0 && errno == EFAULT;
  close(ends[0]);
  close(ends[1]);
  return refused;
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0, ignored = 0;
  statm >> ignored >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::size_t available_mebibytes() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  for (std::size_t value = 0; info >> key >> value; info.ignore(64, '\n')) {
    if (key == "MemAvailable:") return value >> 10;
  }
  return 0;
}

// Touches so many bytes of the running fiber's stack, and suspends while they are in use.
[[gnu::noinline]] void use_stack(std::size_t bytes) {
  auto* mine = static_cast<volatile char*>(__builtin_alloca(bytes));
  for (std::size_t i = bytes; i > 0; i -= std::min<std::size_t>(i, 4096)) mine[i - 1] = 1;
  this_fiber::suspend();
}

std::vector<fiber> start_fibers(std::size_t count, std::size_t touched, std::size_t stack_bytes = 0) {
  std::vector<fiber> fibers;
  fibers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    fibers.emplace_back([touched] { use_stack(touched); }, ramie::fiber_options{.stack_bytes = stack_bytes});
    fibers.back().resume();
  }
  return fibers;
}

class trim_test : public testing::Test {
 protected:
  void SetUp() override {
    const char* forced = std::getenv("RAMIE_GUARD");
    ramie::guard_trial trials[5];
    const std::size_t count = ramie::try_guards(trials);
    for (std::size_t i = 0; i < count; ++i) {
      if (forced != nullptr && std::strcmp(forced, ramie::name_of(trials[i].guard)) == 0 && !trials[i].works) {
        std::printf("skipped: guard %s: %s\n", forced, trials[i].reason);
        GTEST_SKIP() << trials[i].reason;
      }
    }
    if (std::getenv("RAMIE_TRIM") != nullptr) GTEST_SKIP() << "RAMIE_TRIM overrides what is tested here";
  }
  void TearDown() override { ramie::set_stack_trim({}); }
};

// First: smaps takes a minute to read once the mprotect rung has made its mappings. MADV_HUGEPAGE or "always" would
// turn a touched page of a large stack into two mebibytes.
TEST_F(trim_test, huge_pages_never_swallow_stacks) {
  constexpr std::size_t two_mebibytes = std::size_t{2} << 20;
  const char* const setting = "/sys/kernel/mm/transparent_hugepage/enabled";
  if (std::getenv("RAMIE_GUEST") != nullptr) std::ofstream(setting) << "always";  // a machine of our own
  std::ifstream file(setting);
  std::string enabled;
  std::getline(file, enabled);
  // What the kernel does for others: without it this test would pass on any kernel.
  auto* plain =
      static_cast<char*>(mmap(nullptr, 4 * two_mebibytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(plain, MAP_FAILED);
  if (enabled.find("[always]") == std::string::npos) madvise(plain, 4 * two_mebibytes, MADV_HUGEPAGE);
  std::memset(plain, 1, 4 * two_mebibytes);

  std::vector<fiber> fibers = start_fibers(4, 7 * two_mebibytes, 8 * two_mebibytes);
  std::ifstream smaps("/proc/self/smaps");
  std::uintptr_t begin = 0, end = 0;
  std::size_t plain_kib = 0, stack_kib = 0, stacks_seen = 0, never = 0;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long from = 0, to = 0, kib = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) {
      begin = from;
      end = to;
    }
    const auto holds = [&](std::uintptr_t address) { return begin <= address && address < end; };
    std::size_t here = 0;
    for (const fiber& f : fibers) here += holds(f.stack().low) ? 1 : 0;
    if (std::sscanf(line.c_str(), "AnonHugePages: %lu", &kib) == 1) {
      if (holds(reinterpret_cast<std::uintptr_t>(plain) + two_mebibytes)) plain_kib += kib;
      if (here != 0) stack_kib += kib;
      stacks_seen += here;
    }
    if (here != 0 && line.rfind("VmFlags:", 0) == 0 && line.find(" nh") != std::string::npos) never += here;
  }
  munmap(plain, 4 * two_mebibytes);
  EXPECT_EQ(stacks_seen, fibers.size());
  EXPECT_EQ(stack_kib, 0U);
  std::printf("huge pages '%s': %zu KiB of 8 MiB of plain memory, %zu KiB of the stacks\n", enabled.c_str(), plain_kib,
              stack_kib);
  if (plain_kib == 0) {
    std::printf("skipped: huge pages: this kernel gives none\n");
  } else {
    EXPECT_EQ(never, fibers.size()) << "the stacks' mapping says that it may become huge";
  }
}

TEST_F(trim_test, guards_hold_after_trimming_and_every_stack_can_be_used_to_its_end) {
  constexpr std::size_t count = 2000;
  for (const std::size_t stack_bytes : {std::size_t{16} << 10, std::size_t{0}, std::size_t{256} << 10}) {
    std::vector<std::uintptr_t> lows;
    for (const trim policy : {trim::dontneed, trim::free}) {
      ramie::set_stack_trim({.keep_bytes = 0, .policy = policy});
      const std::size_t some = sanitized ? 200 : count;
      std::vector<fiber> fibers = start_fibers(some, 4000, stack_bytes);
      lows.clear();
      for (const fiber& f : fibers) lows.push_back(f.stack().low);
      const auto before = ramie::count_stacks().trimmed;
      fibers.clear();
      ramie::trim_stacks();
      EXPECT_GE(ramie::count_stacks().trimmed - before, some);
      EXPECT_EQ(ramie::trim_stacks(), 0U) << "a second time there is nothing left to trim";
      for (std::size_t i = 0; i < lows.size(); i += 17) {
        ASSERT_TRUE(is_guarded(lows[i] - 1)) << i;
        ASSERT_FALSE(is_guarded(lows[i])) << i;
      }
      fibers = start_fibers(some, stack_bytes == 0 ? 56 << 10 : 4000, stack_bytes);
      for (std::size_t i = 0; i < fibers.size(); i += 17) ASSERT_TRUE(is_guarded(fibers[i].stack().low - 1)) << i;
    }
  }
}

TEST_F(trim_test, guards_hold_while_threads_create_drop_and_trim) {
  ramie::set_stack_trim({.keep_bytes = std::size_t{1} << 20});
  std::atomic<int> unguarded{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < (sanitized ? 4 : 20); ++round) {
        std::vector<fiber> fibers = start_fibers(sanitized ? 100 : 600, 5000);
        for (std::size_t i = 0; i < fibers.size(); i += 50) {
          if (!is_guarded(fibers[i].stack().low - 1)) ++unguarded;
        }
        // Some end, some are dropped half-way, while another thread trims what is free.
        for (std::size_t i = 0; i < fibers.size(); i += 2) fibers[i].resume();
        fibers.clear();
        if (t == 0) ramie::trim_stacks();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(unguarded, 0);
  EXPECT_GT(ramie::count_stacks().trimmed, 0U);
}

TEST_F(trim_test, a_child_forked_after_trimming_has_guards_and_its_own_memory) {
  ramie::set_stack_trim({.keep_bytes = 0});
  start_fibers(300, 9000).clear();
  ramie::trim_stacks();
  std::vector<fiber> kept = start_fibers(100, 9000);
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    for (fiber& f : kept) {
      if (!is_guarded(f.stack().low - 1)) _exit(2);
      if (f.resume()) _exit(3);  // ends
    }
    kept.clear();
    ramie::trim_stacks();
    std::vector<fiber> more = start_fibers(400, 9000);
    for (const fiber& f : more) {
      if (!is_guarded(f.stack().low - 1)) _exit(4);
    }
    more.clear();
    ramie::trim_stacks();
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  for (fiber& f : kept) {
    EXPECT_TRUE(is_guarded(f.stack().low - 1));
    EXPECT_FALSE(f.resume());
  }
}

TEST_F(trim_test, a_child_forked_while_threads_create_drop_and_trim_has_guards) {
  // AddressSanitizer's allocator holds its lock through a fork by another thread, and the child waits for it for ever.
  if (sanitized) GTEST_SKIP() << "the sanitizer's own locks do not outlive a fork among threads";
  ramie::set_stack_trim({.keep_bytes = std::size_t{1} << 20});
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!over) {
        start_fibers(400, 5000).clear();
        ramie::trim_stacks();
      }
    });
  }
  std::vector<fiber> mine = start_fibers(50, 5000);
  for (int round = 0; round < 20; ++round) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(60);
      for (const fiber& f : mine) {
        if (!is_guarded(f.stack().low - 1)) _exit(2);
      }
      for (int again = 0; again < 2; ++again) {
        std::vector<fiber> more = start_fibers(300, 5000);
        for (std::size_t i = 0; i < more.size(); i += 10) {
          if (!is_guarded(more[i].stack().low - 1)) _exit(3);
        }
        more.clear();
        ramie::trim_stacks();
      }
      _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status << " in round " << round;
  }
  over = true;
  for (auto& thread : threads) thread.join();
  for (const fiber& f : mine) EXPECT_TRUE(is_guarded(f.stack().low - 1));
}

TEST_F(trim_test, keep_keeps_and_a_kept_share_stays_warm) {
  start_fibers(100, 20000).clear();
  ramie::set_stack_trim({.policy = trim::keep});
  const auto before = ramie::count_stacks().trimmed;
  start_fibers(sanitized ? 400 : 4000, 5000).clear();
  EXPECT_EQ(ramie::count_stacks().trimmed, before);
  // A thousand default stacks are what the default keeps: a population of that size never pays.
  ramie::trim_stacks();
  const auto after = ramie::count_stacks().trimmed;
  ramie::set_stack_trim({});
  for (int round = 0; round < 5; ++round) start_fibers(sanitized ? 400 : 1000, 5000).clear();
  EXPECT_EQ(ramie::count_stacks().trimmed, after);
}

TEST_F(trim_test, what_is_locked_in_memory_is_left_there_and_goes_on_working) {
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    ramie::set_stack_trim({.keep_bytes = 0});
    std::vector<fiber> fibers = start_fibers(200, 5000);
    if (mlockall(MCL_CURRENT) != 0) _exit(77);
    fibers.clear();
    ramie::trim_stacks();
    fibers = start_fibers(200, 5000);
    for (const fiber& f : fibers) {
      if (!is_guarded(f.stack().low - 1)) _exit(2);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::printf("skipped: mlockall: not permitted\n");
    GTEST_SKIP();
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// A spike, and then quiet: what stays is what the policy keeps warm.
TEST_F(trim_test, memory_returns_after_a_spike) {
#if defined(RAMIE_EMULATED)
  std::printf("skipped: memory after a spike: an emulator's memory is not the program's\n");
  GTEST_SKIP();
#endif
  if (sanitized) GTEST_SKIP() << "the sanitizer's shadow is resident too";
  // The whole spike on the rung that this machine takes; a fifth elsewhere, for the time and the mappings.
  const bool whole = std::getenv("RAMIE_GUARD") == nullptr && ramie::count_stacks().guard != ramie::guard::mprotect;
  std::size_t count = whole ? 100'000 : 20'000;
  if (available_mebibytes() < 5500) {
    count = std::min<std::size_t>(count, 20'000);
    std::printf("skipped: a spike of 100,000 fibers: %zu MiB available; %zu instead\n", available_mebibytes(), count);
  }
  constexpr std::size_t touched = std::size_t{32} << 10, mebibyte = std::size_t{1} << 20;
  ramie::trim_stacks();
  const std::size_t base = resident_bytes();
  std::vector<fiber> fibers = start_fibers(count, touched);
  const std::size_t spike = resident_bytes() - base;
  for (fiber& f : fibers) ASSERT_FALSE(f.resume());
  const std::size_t ended = resident_bytes() - base;
  fibers = std::vector<fiber>();
  const std::size_t dropped = resident_bytes() - base;
  ramie::trim_stacks();
  const std::size_t trimmed = resident_bytes() - base;
  std::printf("%zu fibers with 32 KiB each: %zu MiB; ended: %zu MiB; handles dropped: %zu MiB; trimmed: %zu MiB\n",
              count, spike / mebibyte, ended / mebibyte, dropped / mebibyte, trimmed / mebibyte);
  EXPECT_GE(spike, count * touched);
  // Control data (192 bytes a fiber) and records of slots (32) stay, and what the policy keeps.
  const std::size_t kept_data = count * 300 + 4 * mebibyte;
  EXPECT_LE(ended, kept_data + 2 * ramie::stack_trim().keep_bytes + 256 * (touched + 8192));
  EXPECT_LE(trimmed, kept_data);
}

}  // namespace
