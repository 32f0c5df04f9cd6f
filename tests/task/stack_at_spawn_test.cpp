// A task that has its stack before it starts, so that a refusal is its spawner's and not its scope's.
#include "fiber/forked.hpp"
#include "task/task_world.hpp"

#include <ramie/stack.hpp>

#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <memory>

namespace ramie_test {
namespace {

using ramie::scope;
using ramie::task_options;

constexpr std::size_t absurd_bytes = std::size_t{1} << 40;

class stack_at_spawn : public task_world {};

TEST_F(stack_at_spawn, a_refused_stack_is_the_spawners_and_nothing_was_moved_from) {
  ramie::run([&](scope& s) {
    auto sibling = s.spawn([&] {
      ramie::this_task::yield();
      say("sibling");
    });
    auto request = [connection = std::make_unique<int>(7), this] { say(std::to_string(*connection)); };
    EXPECT_THROW(s.spawn(std::move(request), {.stack_bytes = absurd_bytes, .stack_at_spawn = true}),
                 ramie::stack_error);
    EXPECT_EQ(s.size(), 1U);
    s.spawn(std::move(request), {.stack_at_spawn = true});
    s.join();
    EXPECT_EQ(sibling.state(), ramie::task_state::finished);
  });
  EXPECT_EQ(said, (words{"7", "sibling"}));
}

TEST_F(stack_at_spawn, without_it_a_refused_stack_is_a_failure_of_the_scope) {
  ramie::run([&] {
    EXPECT_THROW(ramie::with_scope([](scope& s) { s.spawn([] {}, {.stack_bytes = absurd_bytes}); }),
                 ramie::stack_error);
  });
}

TEST_F(stack_at_spawn, tasks_start_in_the_order_of_their_spawns_whoever_has_a_stack) {
  ramie::run([&](scope& s) {
    for (int i = 0; i < 12; ++i) {
      const task_options how = {.stack_bytes = i % 4 == 3 ? std::size_t{256} << 10 : 0, .stack_at_spawn = i % 3 != 0};
      s.spawn(
          [&, i] {
            say(std::to_string(i));
            ramie::this_task::yield();
            say(std::to_string(i) + "'");
          },
          how);
    }
  });
  words expected;
  for (const char* end : {"", "'"}) {
    for (int i = 0; i < 12; ++i) expected.push_back(std::to_string(i) + end);
  }
  EXPECT_EQ(said, expected);
}

TEST_F(stack_at_spawn, stacks_of_tasks_that_have_ended_are_taken_again) {
  ramie::run([&](scope& s) {
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 500; ++i) s.spawn([&] { const resident here(residents); }, {.stack_at_spawn = true});
      s.join();
    }
  });
}

TEST_F(stack_at_spawn, one_that_is_cancelled_before_it_starts_never_runs) {
  ramie::run([&](scope& s) {
    auto one = s.spawn([&] { say("ran"); }, {.stack_at_spawn = true});
    EXPECT_TRUE(one.cancel());
    one.join();
    EXPECT_EQ(one.state(), ramie::task_state::cancelled);
  });
  EXPECT_EQ(said, words{});
}

TEST_F(stack_at_spawn, a_function_that_cannot_be_copied_gives_the_stack_back) {
  struct refuses {
    refuses() = default;
    refuses(const refuses&) { throw std::runtime_error("no copy"); }
    void operator()() const {}
  };
  const refuses body;
  ramie::run([&](scope& s) {
    for (int i = 0; i < 100; ++i) EXPECT_THROW(s.spawn(body, {.stack_at_spawn = true}), std::runtime_error);
    s.join();
    EXPECT_EQ(s.size(), 0U);
    s.spawn([&] { say("goes on"); }, {.stack_at_spawn = true});
  });
  EXPECT_EQ(said, words{"goes on"});
}

TEST_F(stack_at_spawn, what_it_inherits_and_how_it_is_named_are_as_of_others) {
  static ramie::fiber_local<int> level(1);
  ramie::run([&](scope& s) {
    level.get() = 5;
    auto one = s.spawn([] { return std::to_string(level.get()) + ramie::this_task::name(); },
                       {.name = " named", .stack_at_spawn = true});
    level.get() = 6;
    EXPECT_NE(ramie::dump_tasks().find("named"), std::string::npos);
    EXPECT_EQ(one.get(), "5 named");
  });
}

TEST_F(stack_at_spawn, exceptions_in_flight_where_it_is_spawned_stay_there) {
  ramie::run([&](scope& s) {
    ramie::task<int> one;
    try {
      throw std::runtime_error("in flight");
    } catch (const std::exception&) {
      one = s.spawn([] { return std::uncaught_exceptions() + (std::current_exception() == nullptr ? 0 : 10); },
                    {.stack_at_spawn = true});
      EXPECT_EQ(one.get(), 0);
      EXPECT_NE(std::current_exception(), nullptr);
    }
  });
}

TEST_F(stack_at_spawn, another_threads_scheduler_cannot_be_asked_for_one) {
  ramie::run_per_core(1, [&](unsigned, ramie::cores& all) {
    EXPECT_THROW(static_cast<void>(all.spawn_on(0, [] {}, {.stack_at_spawn = true})), std::logic_error);
  });
}

constexpr int not_kept = 77;  // emulators accept the limit and do not keep it

// What a server does where the address space is limited: each connection that finds no stack is refused, the others
// are served.
int serve_at_the_limit() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlimit limit{pages * 4096 + (std::size_t{1} << 30), RLIM_INFINITY};
  if (setrlimit(RLIMIT_AS, &limit) != 0) return not_kept;
  int served = 0, refused = 0;
  ramie::run([&](scope& s) {
    for (int i = 0; i < 64; ++i) {
      try {
        s.spawn(
            [&] {
              ramie::this_task::yield();
              ++served;
            },
            {.stack_bytes = std::size_t{128} << 20, .stack_at_spawn = true});
      } catch (const ramie::stack_error&) {
        ++refused;
      }
    }
    s.join();
    s.spawn([&] { ++served; }, {.stack_bytes = std::size_t{128} << 20, .stack_at_spawn = true});
  });
  if (refused == 0) return not_kept;
  return served + refused == 65 && served >= 2 ? 0 : 1;
}

TEST_F(stack_at_spawn, at_the_limit_some_are_refused_and_the_others_served) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::puts("skipped: a limit of the address space: the sanitizer's shadow needs it");
  GTEST_SKIP();
#endif
  const int code = code_of_child(&serve_at_the_limit);
  if (code == not_kept) {
    std::puts("skipped: RLIMIT_AS: this machine or emulator does not keep to it");
    GTEST_SKIP();
  }
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace ramie_test
