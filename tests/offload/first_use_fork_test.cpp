// A fork while another thread uses the library for the very first time: the child can use it too.
//
// A first use happens once in a process, so each try is a process: this program, started with the name of a use and a
// seed. It starts a thread that begins with the use, forks some microseconds later, and the child does the same and
// then everything else.
#include <ramie/error.hpp>
#include <ramie/fiber.hpp>
#include <ramie/heap.hpp>
#include <ramie/mutex.hpp>
#include <ramie/net.hpp>
#include <ramie/offload.hpp>
#include <ramie/runtime.hpp>
#include <ramie/stack.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>

extern char** environ;

namespace ramie_test {
namespace {

using namespace std::chrono_literals;

void use_fiber() {
  ramie::fiber one([] { ramie::this_fiber::suspend(); });
  one.resume();
  one.resume();
}
void kill_fiber() {
  struct last_word {
    std::atomic<int>& said;
    ~last_word() { ++said; }
  };
  std::atomic<int> said = 0;
  {
    ramie::fiber one([&] {
      const last_word mine{said};
      ramie::this_fiber::suspend();
    });
    one.resume();
  }
  if (said != 1) std::abort();
}
void use_run() {
  ramie::mutex one;
  ramie::run([&](ramie::scope& all) {
    for (int i = 0; i < 3; ++i) {
      all.spawn([&] {
        const std::lock_guard held(one);
        ramie::this_task::yield();
      });
    }
  });
}
void use_offload() {
  if (ramie::offload([] { return 7; }) != 7) std::abort();
}
// A way to write an address that only the C library knows: nothing is looked up. Looking up takes a lock of its own
// that no fork takes (glibc 2.36, resolv_conf.c).
void use_resolver() {
  if (ramie::net::resolve("127.1", "80").size() != 1) std::abort();
}
void use_dump_signal() {
  ramie::runtime one({.dump_signal = SIGUSR1});
  one.run([] {
    raise(SIGUSR1);
    for (int i = 0; i < 200; ++i) ramie::this_task::yield();
  });
}
void use_stacks() {
  ramie::guard_trial trials[5];
  static_cast<void>(ramie::try_guards(trials));
  static_cast<void>(ramie::trim_stacks());
  static_cast<void>(ramie::stack_trim());
  static_cast<void>(ramie::count_stacks());
  use_fiber();
}
void use_errors() {
  const std::error_code code = ramie::fiber_errc::no_fiber;
  if (code.message().empty() || std::strcmp(ramie::net::name_category().name(), "name") != 0) std::abort();
  try {
    ramie::fiber().resume();
  } catch (const ramie::fiber_error&) {
  }
}
void use_heap() {
  struct number {
    explicit number(int given) : value(given) {}
    int value;
  };
  ramie::heap mine({.reserve_bytes = std::size_t{16} << 20});
  const auto kept = mine.make<number>(5);
  mine.collect();
  if (kept->value != 5) std::abort();
}

struct use {
  const char* name;
  void (*act)();
};
constexpr use uses[] = {{"fiber", use_fiber},     {"kill", kill_fiber},      {"run", use_run},
                        {"offload", use_offload}, {"resolve", use_resolver}, {"dump_signal", use_dump_signal},
                        {"stacks", use_stacks},   {"errors", use_errors},    {"heap", use_heap}};

constexpr unsigned child_may_take_s = 20;

[[noreturn]] void be_the_child(const use& first) {
  alarm(child_may_take_s);
  first.act();
  // And on a thread of its own, whose stack and thread locals were those of one that is not here any more.
  std::thread([] {
    for (const use& one : uses) one.act();
  }).join();
  for (const use& one : uses) one.act();
  static_cast<void>(ramie::count_stacks());
  _exit(0);
}

// The process of one try. 0: all is well.
int one_try(const use& first, unsigned seed) {
  const int nowhere = open("/dev/null", O_WRONLY);  // for what a signal asks for
  dup2(nowhere, STDERR_FILENO);
  std::mt19937 dice(seed);
  const auto delay =
      std::chrono::nanoseconds(std::uniform_int_distribution<int>(0, seed % 2 == 0 ? 20'000 : 300'000)(dice));
  std::atomic<bool> ready = false, go = false;
  std::thread other([&] {
    ready = true;
    while (!go) {
    }
    first.act();
  });
  while (!ready) {
  }
  go = true;
  for (const auto begin = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - begin < delay;) {
  }
  const pid_t child = fork();
  if (child == 0) be_the_child(first);
  int status = 0;
  waitpid(child, &status, 0);
  other.join();
  first.act();
  return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

unsigned given_seed() {
  const char* given = std::getenv("RAMIE_TEST_SEED");
  return given == nullptr ? std::random_device()() : static_cast<unsigned>(std::strtoul(given, nullptr, 10));
}

class first_use_test : public testing::TestWithParam<use> {};

TEST_P(first_use_test, a_fork_in_the_middle_of_a_first_use_leaves_the_child_able_to_use_it_too) {
  const unsigned seed = given_seed();
  std::printf("RAMIE_TEST_SEED=%u\n", seed);
  constexpr unsigned tries = 12;
  for (unsigned i = 0; i < tries; ++i) {
    std::string name = GetParam().name, number = std::to_string(seed + i), program = "first_use";
    char* arguments[] = {program.data(), name.data(), number.data(), nullptr};
    pid_t process = 0;
    ASSERT_EQ(posix_spawn(&process, "/proc/self/exe", nullptr, nullptr, arguments, environ), 0);
    int status = 0;
    waitpid(process, &status, 0);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
    ASSERT_EQ(code, 0) << GetParam().name << ' ' << number << (code == 100 + SIGALRM ? ": the child hung" : "");
  }
}

INSTANTIATE_TEST_SUITE_P(all, first_use_test, testing::ValuesIn(uses),
                         [](const auto& about) { return about.param.name; });

}  // namespace
}  // namespace ramie_test

int main(int count, char** words) {
  if (count == 3) {
    for (const ramie_test::use& one : ramie_test::uses) {
      if (std::strcmp(one.name, words[1]) == 0)
        return ramie_test::one_try(one, static_cast<unsigned>(std::strtoul(words[2], nullptr, 10)));
    }
  }
  testing::InitGoogleTest(&count, words);
  return RUN_ALL_TESTS();
}
