// run, post, run_once, stop, deadlocks and dumps.
#include "task/task_world.hpp"

#include <ramie/event.hpp>

#include <sys/wait.h>
#include <unistd.h>

namespace ramie_test {
namespace {

using ramie::scope;
using ramie::task;

class runtime_test : public task_world {};

TEST_F(runtime_test, run_may_be_called_again_and_by_one_runtime_too) {
  EXPECT_EQ(ramie::run([] { return 1; }), 1);
  EXPECT_EQ(ramie::run([] { return 2; }), 2);
  ramie::runtime r;
  EXPECT_EQ(r.run([] { return 3; }), 3);
  EXPECT_EQ(r.run([] { return 4; }), 4);
  EXPECT_THROW(r.run([] { throw std::range_error("x"); }), std::range_error);
  EXPECT_EQ(r.run([] { return 5; }), 5);
}

TEST_F(runtime_test, run_inside_run_is_refused_in_words) {
  ramie::run([] {
    try {
      ramie::run([] {});
      FAIL();
    } catch (const std::logic_error& refused) {
      EXPECT_NE(std::string(refused.what()).find("run inside run"), std::string::npos);
    }
  });
}

TEST_F(runtime_test, run_works_inside_a_catch_block_and_keeps_the_exception) {
  try {
    throw std::runtime_error("kept");
  } catch (const std::runtime_error& caught) {
    ramie::run([](scope& s) {
      s.spawn([] { EXPECT_THROW(throw 1, int); });
      ramie::this_task::yield();
    });
    EXPECT_STREQ(caught.what(), "kept");
  }
}

TEST_F(runtime_test, run_works_inside_a_fiber) {
  ramie::fiber outer([&] {
    ramie::run([&](scope& s) {
      s.spawn([&] { say("task"); });
      ramie::this_task::yield();
    });
    ramie::this_fiber::suspend();
    say("fiber");
  });
  EXPECT_TRUE(outer.resume());
  EXPECT_FALSE(outer.resume());
  EXPECT_EQ(said, (words{"task", "fiber"}));
}

TEST_F(runtime_test, a_deadlock_is_reported_with_every_task_and_thrown) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: a deadlock: ThreadSanitizer's own thread counts as one that could wake somebody\n");
  GTEST_SKIP();
#endif
  testing::internal::CaptureStderr();
  std::string text;
  try {
    ramie::run(
        [&] {
          task<void> a, b;
          ramie::with_scope([&](scope& s) {
            a = s.spawn(
                [&] {
                  resident here(residents);
                  b.join();
                },
                {.name = "romeo"});
            b = s.spawn([&] { a.join(); }, {.name = "juliet"});
          });
        },
        fake_time);
    FAIL();
  } catch (const ramie::deadlock& found) {
    text = found.what();
  }
  const std::string report = testing::internal::GetCapturedStderr();
  for (const char* word : {"romeo", "juliet", "waits for join", "waits for children", "runtime_test.cpp:"}) {
    EXPECT_NE(report.find(word), std::string::npos) << report;
    EXPECT_NE(text.find(word), std::string::npos) << text;
  }
}

TEST_F(runtime_test, a_dump_shows_the_tree_of_tasks_what_they_wait_for_and_their_annotations) {
  std::string text;
  ramie::run(
      [&](scope& s) {
        s.spawn(
            [&] {
              ramie::with_scope([&](scope& inner) {
                inner.spawn(
                    [] {
                      ramie::this_task::annotate("GET /index.html");
                      ramie::this_task::sleep_for(1h);
                    },
                    {.name = "inner", .transient = true});
                ramie::this_task::sleep_for(1ms);
              });
            },
            {.name = "outer"});
        ramie::this_task::yield();
        ramie::this_task::yield();
        text = ramie::dump_tasks();
      },
      fake_time);
  EXPECT_NE(text.find("task 'outer' waits for sleep"), std::string::npos) << text;
  EXPECT_NE(text.find("task 'inner' (GET /index.html) waits for sleep"), std::string::npos) << text;
  EXPECT_LT(text.find("'outer'"), text.find("'inner'")) << text;
}

TEST_F(runtime_test, a_task_may_fork_and_all_tasks_go_on_in_the_child_too) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: fork with threads: ThreadSanitizer does not let the child make any\n");
  GTEST_SKIP();
#endif
  for (int round = 0; round < 5; ++round) {
    pid_t child = -1;
    int sum = 0;
    ramie::run([&](scope& s) {
      for (int i = 0; i < 10; ++i) {
        s.spawn([&] {
          ramie::this_task::sleep_for(2ms);
          ++sum;
        });
      }
      ramie::this_task::yield();
      child = fork();
    });
    EXPECT_EQ(sum, 10);
    if (child == 0) {
      ramie::run([] {
        for (int i = 0; i < 10'000; ++i) ramie::this_task::reduce();
      });
      _exit(sum == 10 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

TEST_F(runtime_test, posted_functions_run_in_the_next_run_and_in_order) {
  ramie::runtime r;
  r.post([&] { say("one"); });
  r.post([&] { say("two"); });
  r.run([&] { ramie::this_task::sleep_for(1ms); });
  EXPECT_EQ(said, (words{"one", "two"}));
}

TEST_F(runtime_test, run_once_runs_posted_tasks_and_stops_when_the_time_is_over) {
  ramie::runtime r;
  r.post([&] {
    say("began");
    ramie::this_task::sleep_for(20ms);
    say("ended");
  });
  EXPECT_FALSE(r.run_once(1ms));
  EXPECT_EQ(said, words{"began"});
  while (!r.run_once(50ms)) {
  }
  EXPECT_EQ(said, (words{"began", "ended"}));
  EXPECT_TRUE(r.run_once(0ms));
}

TEST_F(runtime_test, stop_asks_all_tasks_to_go_and_run_says_so) {
  ramie::runtime r;
  try {
    r.run([&](scope& s) {
      s.spawn([&] {
        resident here(residents);
        ramie::this_task::sleep_for(1h);
      });
      ramie::this_task::yield();
      r.stop(std::make_exception_ptr(std::runtime_error("closing")));
      ramie::this_task::sleep_for(1h);
    });
    FAIL();
  } catch (const ramie::task_cancelled& stopped) {
    EXPECT_THROW(std::rethrow_exception(stopped.cause()), std::runtime_error);
  }
}

TEST_F(runtime_test, one_that_was_stopped_and_run_until_none_is_left_may_go) {
  bool unwound = false;
  {
    struct guard {
      bool& unwound;
      ~guard() { unwound = true; }
    };
    ramie::runtime one;
    one.post([&] {
      const guard here{unwound};
      ramie::this_task::sleep_for(1h);
    });
    EXPECT_FALSE(one.run_once(1ms));
    one.stop();
    EXPECT_TRUE(one.run_once(10s));
  }
  EXPECT_TRUE(unwound);
}

TEST_F(runtime_test, what_escapes_a_posted_task_goes_to_unseen_error_and_nowhere_else) {
  static words seen;
  seen.clear();
  ramie::runtime r({.unseen_error = [](std::exception_ptr error, const char* name) {
    seen.push_back(std::string(name) + ": " + text_of(error));
  }});
  const auto fails = [] { throw std::runtime_error("failed"); };
  r.post(fails, {.name = "first"});
  EXPECT_EQ(r.run([] {
    ramie::this_task::sleep_for(1ms);
    return 5;
  }),
            5);
  r.post(fails, {.name = "second"});
  while (!r.run_once(1s)) {
  }
  EXPECT_EQ(seen, (words{"first: failed", "second: failed"}));
}

TEST_F(runtime_test, a_runtime_that_goes_cancels_what_run_once_has_begun) {
  {
    ramie::runtime r;
    r.post([&] {
      resident here(residents);
      ramie::this_task::sleep_for(1h);
    });
    EXPECT_FALSE(r.run_once(1ms));
    EXPECT_EQ(residents, 1);
  }
  EXPECT_EQ(residents, 0);
}

TEST_F(runtime_test, a_handler_that_waits_for_ever_after_a_deadlock_is_left_too) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: a deadlock: ThreadSanitizer's own thread counts as one that could wake somebody\n");
  GTEST_SKIP();
#endif
  EXPECT_THROW(ramie::run(
                   [&] {
                     ramie::event never;
                     try {
                       never.wait();
                     } catch (const ramie::cancelled&) {
                       say("told");
                       never.wait();
                       say("never");
                     }
                   },
                   fake_time),
               ramie::deadlock);
  EXPECT_EQ(said, words{"told"});
}

}  // namespace
}  // namespace ramie_test
