// Fibers against the ends of threads and processes: cases A42 to A45; and the mistakes that end the process.
#include "cases/world.hpp"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace cases {
namespace {

class process_test : public clean_world {};
using process_death_test = process_test;

// Runs `body` in a forked child; returns how the child ended: its exit status, or minus the signal.
int status_of_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// A42
TEST_F(process_test, pthread_exit_in_a_fiber_ends_the_thread_and_the_join_gets_its_value) {
  if (under_tsan) GTEST_SKIP() << "ThreadSanitizer checks that pthread_exit is called on a thread's own stack";
  static std::string log;
  log.clear();
  pthread_t thread;
  auto body = [](void*) -> void* {
    mark t(log, 't');
    fiber f([&] {
      mark m(log, 'f');
      pthread_exit(nullptr);
    });
    f.resume();
    log += '!';
    return &log;
  };
  ASSERT_EQ(pthread_create(&thread, nullptr, body, nullptr), 0);
  void* result = &log;
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, nullptr);
  EXPECT_EQ(log, "ft");
}

// A42
TEST_F(process_test, pthread_exit_in_a_fiber_entered_by_transfer_unwinds_it_and_the_thread) {
  if (under_tsan) GTEST_SKIP() << "ThreadSanitizer checks that pthread_exit is called on a thread's own stack";
  static std::string log;
  log.clear();
  std::thread([] {
    mark t(log, 't');
    fiber resumed, across;
    across = fiber([&] {
      mark m(log, 'a');
      pthread_exit(nullptr);
    });
    resumed = fiber([&] {
      mark m(log, 'r');
      across.transfer();
      log += '!';
    });
    resumed.resume();
    log += '!';
  }).join();
  EXPECT_EQ(log, "art");
}

// A44
TEST_F(process_test, fork_inside_a_fiber_leaves_a_child_that_makes_fibers_and_forks_again) {
  int status = -1000;
  const int count = many(1000);
  fiber f([&] {
    status = status_of_child([&] {
      fiber_ref self = this_fiber::ref();
      int transferred = 0;
      std::vector<fiber> ended, left;
      for (int i = 0; i < count / 2; ++i) {
        // Entered by transfer and ending: control comes back to where it left the chain, here.
        ended.emplace_back([&] { ++transferred; });
        ended.back().transfer();
      }
      for (int i = 0; i < count / 2; ++i) {
        left.emplace_back([] { this_fiber::suspend(); });
        left.back().resume();
      }
      if (transferred != count / 2) return 2;
      if (!(this_fiber::ref() == self)) return 3;
      const int grandchild = status_of_child([&] {
        for (auto& one : left) {
          if (one.resume()) return 4;
        }
        return 42;
      });
      return grandchild == 42 ? 43 : 5;
    });
  });
  f.resume();
  EXPECT_EQ(status, 43);
}

// A44
TEST_F(process_test, a_forked_child_goes_on_with_the_fibers_of_the_thread_that_forked) {
  std::string log;
  fiber suspended([&] {
    mark m(log, 's');
    this_fiber::suspend();
  });
  suspended.resume();
  EXPECT_EQ(status_of_child([&] {
              if (suspended.resume() || log != "s") return 1;
              fiber fresh([&] { log += 'f'; });
              if (fresh.resume() || log != "sf") return 2;
              return 0;
            }),
            0);
  EXPECT_EQ(log, "");
  EXPECT_FALSE(suspended.resume());
}

// A45
TEST_F(process_test, exit_handlers_may_make_and_resume_fibers) {
  EXPECT_EQ(status_of_child([]() -> int {
              std::atexit([] {
                int steps = 0;
                fiber f([&] {
                  ++steps;
                  this_fiber::suspend();
                  ++steps;
                });
                if (!f.resume() || f.resume() || steps != 2) _exit(2);
                _exit(7);
              });
              fiber before([] { this_fiber::suspend(); });
              before.resume();
              std::exit(1);
            }),
            7);
}

// A45
TEST_F(process_test, exit_inside_a_fiber_ends_the_process_and_its_handlers_may_use_fibers) {
  EXPECT_EQ(status_of_child([] {
              std::atexit([] {
                bool ran = false;
                fiber f([&] { ran = true; });
                f.resume();
                _exit(ran ? 7 : 2);
              });
              fiber f([] { std::exit(1); });
              f.resume();
              return 3;
            }),
            7);
}

TEST_F(process_test, exit_inside_a_fiber_with_a_static_handle_ends_the_process) {
  if (sanitized) GTEST_SKIP() << "the leak checker scans only the stack on which exit() was called";
  EXPECT_EQ(status_of_child([] {
              static fiber f;
              f = fiber([] { std::exit(5); });
              f.resume();
              return 3;
            }),
            5);
}

TEST_F(process_test, a_thread_that_ends_unwinds_its_fibers_wherever_they_wait) {
  std::string log;
  std::vector<fiber> fibers(3);
  std::thread([&] {
    fiber_ref root = this_fiber::ref();
    fibers[0] = fiber([&] {
      mark m(log, 'a');
      this_fiber::suspend();
    });
    fibers[1] = fiber([&] {
      mark m(log, 'b');
      root.transfer();
    });
    fibers[2] = fiber([&] {
      mark m(log, 'c');
      try {
        throw 1;
      } catch (int) {
        this_fiber::suspend();
      }
    });
    fibers[0].resume();
    fibers[1].transfer();
    fibers[2].resume();
  }).join();
  EXPECT_EQ(log, "cba");
  for (const fiber& f : fibers) EXPECT_TRUE(f.done());
}

TEST_F(process_test, a_thread_that_ends_forgets_nothing_of_what_its_fibers_make_while_they_unwind) {
  std::string log;
  struct makes_another {
    std::string& log;
    ~makes_another() {
      fiber f([this] {
        this_fiber::suspend();
        log += 'n';
      });
      f.resume();
      f.resume();
    }
  };
  fiber f;
  std::thread([&] {
    f = fiber([&] {
      makes_another m{log};
      this_fiber::suspend();
    });
    f.resume();
  }).join();
  EXPECT_EQ(log, "n");
}

TEST_F(process_test, a_handle_that_dies_after_its_home_thread_is_just_forgotten) {
  std::string log;
  auto f = std::make_unique<fiber>();
  std::thread([&] {
    *f = fiber([&] {
      mark m(log, 'm');
      this_fiber::suspend();
    });
    f->resume();
  }).join();
  EXPECT_EQ(log, "m");
  EXPECT_TRUE(f->done());
  f.reset();
  std::thread([] { fiber([] {}).resume(); }).join();
}

TEST_F(process_test, a_handle_that_dies_on_another_thread_while_the_home_lives_is_unwound_at_home) {
  std::string log;
  std::thread::id unwound_on;
  struct where {
    std::thread::id& id;
    ~where() { id = std::this_thread::get_id(); }
  };
  fiber f([&] {
    where w{unwound_on};
    this_fiber::suspend();
  });
  f.resume();
  std::thread([moved = std::move(f)] {}).join();
  fiber other([] {});
  other.resume();
  EXPECT_EQ(unwound_on, std::this_thread::get_id());
}

TEST_F(process_test, an_unstarted_fiber_moves_to_another_thread_and_back) {
  std::thread::id ran_on;
  fiber f([&] { ran_on = std::this_thread::get_id(); });
  std::thread([&, moved = std::move(f)]() mutable { f = std::move(moved); }).join();
  f.resume();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  fiber g([&] { ran_on = std::this_thread::get_id(); });
  std::thread::id there;
  std::thread([&, moved = std::move(g)]() mutable {
    there = std::this_thread::get_id();
    moved.resume();
  }).join();
  EXPECT_EQ(ran_on, there);
}

TEST_F(process_test, a_fiber_of_another_thread_refuses_everything_and_stays_as_it_was) {
  fiber f([] { this_fiber::suspend(); });
  f.resume();
  std::thread([&] {
    expect_refusal(fiber_errc::other_thread, [&] { f.resume(); });
    expect_refusal(fiber_errc::other_thread, [&] { f.transfer(); });
    expect_refusal(fiber_errc::other_thread, [&] { f.raise(make_error<int>(1)); });
    expect_refusal(fiber_errc::other_thread, [&] { f.kill(); });
    EXPECT_EQ(f.state(), fiber_state::suspended);
  }).join();
  EXPECT_FALSE(f.resume());
}

TEST_F(process_death_test, a_catch_all_that_swallows_a_kill_is_reported_by_its_fiber) {
  fiber f(
      [] {
        try {
          this_fiber::suspend();
        } catch (...) {  // and does not rethrow
        }
      },
      {.name = "greedy"});
  f.resume();
  EXPECT_DEATH(f.kill(), "catch \\(\\.\\.\\.\\) in fiber 'greedy'.* swallowed");
  EXPECT_DEATH({ f = fiber(); }, "swallowed");
  EXPECT_FALSE(f.resume());
}

TEST_F(process_death_test, a_handle_that_dies_while_its_fiber_runs_names_both) {
  EXPECT_DEATH(
      {
        fiber victim;
        victim = fiber([&] { victim = fiber(); }, {.name = "victim"});
        victim.resume();
      },
      "handle of fiber 'victim'.* while it is running; it dies in fiber 'victim'");
  EXPECT_DEATH(
      {
        fiber outer;
        fiber inner([&] { outer = fiber(); }, {.name = "inner"});
        outer = fiber([&] { inner.resume(); }, {.name = "outer"});
        outer.resume();
      },
      "handle of fiber 'outer'.* while it is resuming; it dies in fiber 'inner'");
}

TEST_F(process_death_test, a_handle_that_dies_while_its_resumer_waits_for_it_names_both) {
  // `left` was resumed, then transferred away: its resumer still waits.
  EXPECT_DEATH(
      {
        fiber left;
        fiber aside;
        aside = fiber([&] { left = fiber(); }, {.name = "aside"});
        left = fiber([&] { aside.transfer(); }, {.name = "left"});
        left.resume();
      },
      "handle of fiber 'left'.* while it is transferred; it dies in fiber 'aside'");
  // The same when the resumer has a kill waiting for it.
  EXPECT_DEATH(
      {
        fiber parent;
        fiber left;
        fiber aside;
        aside = fiber([&] { left = fiber(); }, {.name = "aside"});
        left = fiber(
            [&] {
              parent.kill();
              aside.transfer();
            },
            {.name = "left"});
        parent = fiber([&] { left.resume(); }, {.name = "parent"});
        parent.resume();
      },
      "handle of fiber 'left'.* while it is transferred; it dies in fiber 'aside'");
}

TEST_F(process_death_test, a_destructor_that_never_stops_suspending_is_reported) {
  struct endless {
    ~endless() {
      for (;;) this_fiber::suspend();
    }
  };
  EXPECT_DEATH(
      {
        fiber f(
            [] {
              endless e;
              this_fiber::suspend();
            },
            {.name = "endless"});
        f.resume();
      },
      "fiber 'endless'.* does not end");
}

TEST_F(process_death_test, an_exception_out_of_a_noexcept_fiber_body_terminates) {
  EXPECT_DEATH(
      {
        fiber f([]() noexcept { this_fiber::suspend(); });
        f.resume();
        try {
          f.raise(make_error<int>(1));
        } catch (int) {
        }
      },
      "terminate");
}

}  // namespace
}  // namespace cases
