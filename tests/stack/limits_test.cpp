// What happens when the machine says no: a typed error that names the limit, and everything else goes on.
#include <ramie/fiber.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace {

using ramie::fiber;
using ramie::stack_error;
using ramie::stack_limit;
namespace this_fiber = ramie::this_fiber;

#if defined(RAMIE_ASAN) || defined(RAMIE_TSAN)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

stack_limit refusal_of(const std::function<void()>& attempt, std::string* text = nullptr) {
  try {
    attempt();
  } catch (const stack_error& error) {
    if (text != nullptr) *text = error.what();
    EXPECT_FALSE(error.cure().empty());
    return error.limit();
  }
  ADD_FAILURE() << "nothing was refused";
  return stack_limit::kernel_memory;
}

// Fills up with fibers of 1 MiB until one is refused; the refused one can be started after another has ended.
int fill_until(stack_limit expected) {
  std::vector<fiber> fibers;
  try {
    for (int i = 0; i < 100'000; ++i) {
      fibers.emplace_back([] { this_fiber::suspend(); }, ramie::fiber_options{.stack_bytes = 1 << 20});
      fibers.back().resume();
    }
  } catch (const stack_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    if (error.limit() != expected) return 3;
    if (fibers.size() < 10) return 4;
    if (fibers[0].resume()) return 5;       // ends
    if (!fibers.back().resume()) return 6;  // takes its stack
    void* memory = std::malloc(1 << 16);
    if (memory == nullptr) return 7;
    std::free(memory);
    return 0;
  }
  return 2;
}

std::size_t in_use_kib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key; status.ignore(256, '\n')) {
    std::size_t value = 0;
    if (key == field && status >> value) return value;
  }
  return 0;
}

int status_of_child(const std::function<int()>& child) {
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Emulators accept a limit and do not keep it.
constexpr int not_kept = 77;
int fill_until_limit(decltype(RLIMIT_AS) resource, std::size_t allowed, stack_limit expected) {
  const rlimit limit{allowed, allowed};
  if (setrlimit(resource, &limit) != 0) return 8;
  void* beyond = mmap(nullptr, allowed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (beyond != MAP_FAILED) return not_kept;
  return fill_until(expected);
}

#define SKIP_WHERE_NOT_KEPT(status, what)                                         \
  if ((status) == not_kept) {                                                     \
    std::puts("skipped: " what ": this machine or emulator does not keep to it"); \
    GTEST_SKIP();                                                                 \
  }

TEST(limits_test, absurd_sizes_are_refused_and_every_size_up_to_128_MiB_works) {
  std::string text;
  EXPECT_EQ(refusal_of([] { fiber f([] {}, {.stack_bytes = std::size_t{1} << 40}); }, &text), stack_limit::size);
  EXPECT_NE(text.find("1,099,511,627,776"), std::string::npos) << text;
  EXPECT_EQ(refusal_of([] { fiber f([] {}, {.stack_bytes = ~std::size_t{0}}); }), stack_limit::size);
  for (std::size_t bytes : {std::size_t{1}, std::size_t{4096}, std::size_t{8} << 10, std::size_t{100} << 10,
                            std::size_t{8} << 20, std::size_t{128} << 20}) {
    bool ran = false;
    fiber f([&] { ran = true; }, {.stack_bytes = bytes});
    EXPECT_FALSE(f.resume());
    EXPECT_TRUE(ran) << bytes;
  }
}

TEST(limits_test, an_address_space_limit_is_named) {
  if (sanitized) GTEST_SKIP() << "the sanitizer's shadow needs the address space";
  const int status = status_of_child([] {
    const std::size_t allowed = in_use_kib("VmSize:") * 1024 + (std::size_t{1} << 30);
    return fill_until_limit(RLIMIT_AS, allowed, stack_limit::address_space);
  });
  SKIP_WHERE_NOT_KEPT(status, "RLIMIT_AS")
  EXPECT_EQ(status, 0);
}

TEST(limits_test, a_data_limit_is_named) {
  if (sanitized) GTEST_SKIP() << "the sanitizer's own data counts";
  const int status = status_of_child([] {
    const std::size_t allowed = in_use_kib("VmData:") * 1024 + (std::size_t{256} << 20);
    return fill_until_limit(RLIMIT_DATA, allowed, stack_limit::data_size);
  });
  SKIP_WHERE_NOT_KEPT(status, "RLIMIT_DATA")
  EXPECT_EQ(status, 0);
}

TEST(limits_test, a_guard_of_unknown_name_is_refused_with_the_names_that_exist) {
  if (sanitized) GTEST_SKIP();
  std::string text;
  const char* self = "/proc/self/exe";
  setenv("RAMIE_GUARD", "unicorn", 1);
  const int status = status_of_child([&] {
    execl(self, self, "--gtest_filter=*child_with_an_unknown_guard", "--gtest_also_run_disabled_tests", nullptr);
    return errno == ENOEXEC ? not_kept : 1;
  });
  unsetenv("RAMIE_GUARD");
  if (status == not_kept) {
    std::puts("skipped: a program that starts itself again: the emulator is not registered with binfmt_misc");
    GTEST_SKIP();
  }
  EXPECT_EQ(status, 0);
}

TEST(limits_test, DISABLED_child_with_an_unknown_guard) {
  std::string text;
  EXPECT_EQ(refusal_of(
                [] {
                  fiber f([] {});
                  f.resume();
                },
                &text),
            stack_limit::guard);
  EXPECT_NE(text.find("unicorn"), std::string::npos) << text;
  EXPECT_NE(text.find("wp-populated"), std::string::npos) << text;
  bool ran = false;
  fiber unguarded([&] { ran = true; }, {.guard = ramie::guard::none});
  unguarded.resume();
  EXPECT_TRUE(ran);
}

TEST(limits_test, no_guard_only_for_those_who_ask) {
  fiber f([] { this_fiber::suspend(); }, {.guard = ramie::guard::none});
  f.resume();
  EXPECT_EQ(f.stack().guard, ramie::guard::none);
  EXPECT_EQ(f.stack().guard_bytes, 0U);
}

TEST(limits_test, a_million_fibers_never_started_take_less_than_200_MiB) {
  if (sanitized) GTEST_SKIP();
  EXPECT_EQ(status_of_child([] {
              auto resident = [] {
                long pages = 0, ignored = 0;
                std::FILE* file = std::fopen("/proc/self/statm", "r");
                if (file == nullptr || std::fscanf(file, "%ld %ld", &ignored, &pages) != 2) return -1L;
                std::fclose(file);
                return pages * (sysconf(_SC_PAGESIZE) >> 10);
              };
              const long before = resident();
              std::vector<fiber> fibers;
              fibers.reserve(1'000'000);
              for (int i = 0; i < 1'000'000; ++i) fibers.emplace_back([] {});
              const long kib = resident() - before;
              std::printf("a million fibers that never started: %ld MiB\n", kib >> 10);
              std::fflush(stdout);
              return kib < 200 << 10 ? 0 : 1;
            }),
            0);
}

}  // namespace
