// What a task sees of a call on another thread: results, exceptions, being told to go.
#include "offload/offload_world.hpp"

#include <ramie/channel.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

namespace ramie_test {
namespace {

using ramie::offload;
using ramie::scope;

class call_test : public offload_world {};

TEST_F(call_test, a_result_comes_back_from_another_thread_while_others_run) {
  ramie::run([&](scope& s) {
    const auto home = std::this_thread::get_id();
    std::atomic<bool> others_ran = false;
    s.spawn([&] { others_ran = true; });
    const auto [where, text] = offload(pool, [&] {
      while (!others_ran) std::this_thread::yield();
      return std::pair(std::this_thread::get_id(), std::string("done"));
    });
    EXPECT_NE(where, home);
    EXPECT_EQ(text, "done");
    EXPECT_EQ(std::this_thread::get_id(), home);
  });
}

TEST_F(call_test, references_nothing_and_what_only_moves_come_back_too) {
  ramie::run([&] {
    int here = 1;
    int& same = offload(pool, [&]() -> int& { return here; });
    EXPECT_EQ(&same, &here);
    offload(pool, [&] { ++here; });
    EXPECT_EQ(here, 2);
    EXPECT_EQ(*offload(pool, [only = std::make_unique<int>(5)]() mutable { return std::move(only); }), 5);
    EXPECT_EQ(*offload([] { return std::make_unique<int>(6); }), 6);
  });
}

TEST_F(call_test, what_escapes_the_function_is_thrown_in_the_task) {
  ramie::run([&] {
    try {
      offload(pool, [] { throw std::range_error("native"); });
      ADD_FAILURE();
    } catch (const std::range_error& error) {
      EXPECT_STREQ(error.what(), "native");
    }
    EXPECT_THROW(offload(pool, [](std::stop_token) -> int { throw 3; }), int);
  });
}

TEST_F(call_test, a_thread_without_a_scheduler_waits) {
  EXPECT_EQ(offload(pool, [] { return 4; }), 4);
  EXPECT_EQ(offload(pool, [](const std::stop_token& stop) { return stop.stop_possible(); }), true);
  EXPECT_THROW(offload(pool, [] { throw std::range_error(""); }), std::range_error);
}

TEST_F(call_test, a_call_within_a_call_runs_at_once_on_the_same_thread) {
  ramie::offload_pool narrow({.threads = 1});
  ramie::run([&] {
    EXPECT_TRUE(offload(narrow, [&] {
      const auto outer = std::this_thread::get_id();
      return offload(narrow, [&] { return std::this_thread::get_id() == outer; });
    }));
  });
  EXPECT_EQ(narrow.statistics().done, 1U);
}

TEST_F(call_test, a_limit_stops_the_token_and_the_wait_goes_on_until_the_function_has_returned) {
  ramie::run([&] {
    bool returned = false;
    const resident here(residents);
    EXPECT_THROW(ramie::with_timeout(5ms,
                                     [&] {
                                       offload(pool, [&](const std::stop_token& stop) {
                                         while (!stop.stop_requested()) std::this_thread::yield();
                                         returned = true;
                                       });
                                       ramie::this_task::check();
                                     }),
                 ramie::timed_out);
    EXPECT_TRUE(returned);
  });
  EXPECT_EQ(pool.statistics().cancelled, 1U);
}

TEST_F(call_test, a_result_wins_over_the_cancel_which_stays_for_the_next_wait) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      const int result = offload(pool, [](const std::stop_token& stop) {
        while (!stop.stop_requested()) std::this_thread::yield();
        return 7;
      });
      EXPECT_EQ(result, 7);
      say("result");
      try {
        ramie::this_task::sleep_for(1h);
      } catch (const ramie::cancelled&) {
        say("told");
        throw;
      }
    });
    wait_for_running(1);
    t.cancel();
  });
  EXPECT_EQ(said, (words{"result", "told"}));
}

TEST_F(call_test, what_escapes_a_function_that_was_asked_to_stop_is_its_answer_to_that) {
  ramie::run([&] {
    EXPECT_THROW(ramie::with_timeout(5ms,
                                     [&] {
                                       offload(pool, [](const std::stop_token& stop) {
                                         while (!stop.stop_requested()) std::this_thread::yield();
                                         throw std::runtime_error("interrupted system call");
                                       });
                                     }),
                 ramie::timed_out);
  });
}

TEST_F(call_test, a_shield_keeps_the_request_away) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      ramie::with_shield(1h, [&] {
        EXPECT_FALSE(offload(pool, [&](const std::stop_token& stop) {
          std::this_thread::sleep_for(20ms);
          return stop.stop_requested();
        }));
      });
    });
    wait_for_running(1);
    t.cancel();
  });
}

TEST_F(call_test, a_call_that_waits_for_a_thread_is_taken_back_and_never_runs) {
  ramie::run([&](scope& s) {
    std::atomic<bool> open = false;
    for (int i = 0; i < 2; ++i) {
      s.spawn([&] {
        offload(pool, [&] {
          while (!open) std::this_thread::yield();
        });
      });
    }
    wait_for_running(2);
    std::atomic<bool> ran = false;
    EXPECT_FALSE(ramie::try_for(5ms, [&] { offload(pool, [&] { ran = true; }); }));
    EXPECT_EQ(pool.statistics().withdrawn, 1U);
    open = true;
    s.join();
    EXPECT_FALSE(ran);
  });
}

TEST_F(call_test, a_task_that_was_told_to_go_before_calls_nothing) {
  ramie::run([&](scope& s) {
    s.spawn([&] {
      s.cancel();
      offload(pool, [&] { say("ran"); });
    });
    s.spawn([&] { offload(pool, [&] { say("ran"); }); });
  });
  EXPECT_EQ(said, words{});
  EXPECT_EQ(pool.statistics().done, 0U);
}

TEST_F(call_test, a_stop_callback_is_called_while_the_function_runs) {
  ramie::run([&] {
    EXPECT_FALSE(ramie::try_for(5ms, [&] {
      offload(pool, [](const std::stop_token& stop) {
        std::atomic<int> calls = 0;
        const std::stop_callback unblock(stop, [&] { ++calls; });
        while (calls == 0) std::this_thread::yield();
      });
      ramie::this_task::check();
    }));
  });
}

// A blocking read of a pipe. The first unblock is planted too early: it comes before the read has begun, as a signal
// can; only a repetition ends the read.
TEST_F(call_test, unblocking_is_repeated_until_the_function_returns) {
  static std::atomic<int> signals = 0;
  struct sigaction before {};
  struct sigaction count {};
  count.sa_handler = [](int) { ++signals; };
  sigaction(SIGUSR2, &count, &before);
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  int calls = 0;
  ramie::run([&] {
    EXPECT_THROW(ramie::with_timeout(5ms,
                                     [&] {
                                       offload(pool, [&](const std::stop_token& stop) {
                                         sigset_t mask;
                                         sigemptyset(&mask);
                                         sigaddset(&mask, SIGUSR2);
                                         pthread_sigmask(SIG_UNBLOCK, &mask, nullptr);
                                         const pthread_t me = pthread_self();
                                         ramie::unblock_callback wake(stop, [&] {
                                           ++calls;
                                           pthread_kill(me, SIGUSR2);
                                         });
                                         while (signals == 0) std::this_thread::yield();  // the one that is too early
                                         char byte = 0;
                                         EXPECT_EQ(read(ends[0], &byte, 1), -1);
                                         if (errno == EINTR) throw std::system_error(errno, std::generic_category());
                                       });
                                     }),
                 ramie::timed_out);
  });
  EXPECT_GE(calls, 2);
  EXPECT_GE(signals, 2);
  close(ends[0]);
  close(ends[1]);
  sigaction(SIGUSR2, &before, nullptr);
}

TEST_F(call_test, unblocks_are_never_called_twice_at_a_time_nor_after_their_end) {
  std::atomic<int> inside = 0, calls = 0, most = 0;
  std::atomic<bool> over = false;
  ramie::run([&] {
    (void)ramie::try_for(1ms, [&] {
      offload(pool, [&](const std::stop_token& stop) {
        {
          const auto slow = [&] {
            EXPECT_FALSE(over);
            most = std::max(most.load(), ++inside);
            std::this_thread::sleep_for(3ms);
            --inside;
            ++calls;
          };
          ramie::unblock_callback first(stop, slow), second(stop, slow);
          while (calls < 6) std::this_thread::yield();
        }
        over = true;
        std::this_thread::sleep_for(30ms);
      });
    });
  });
  EXPECT_EQ(most, 1);
}

TEST_F(call_test, an_unblock_callback_of_another_token_is_called_once) {
  std::stop_source source;
  int calls = 0;
  {
    const ramie::unblock_callback plain(source.get_token(), [&] { ++calls; });
    source.request_stop();
  }
  EXPECT_EQ(calls, 1);
  const ramie::unblock_callback none(std::stop_token(), [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST_F(call_test, no_deadlock_is_declared_while_a_call_runs_and_one_is_when_none_does) {
  ramie::run([&] { offload(pool, [] { std::this_thread::sleep_for(60ms); }); });
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: a deadlock: ThreadSanitizer's own thread counts as one that could wake somebody\n");
  GTEST_SKIP();
#endif
  ramie::channel<int> silent;
  EXPECT_THROW(ramie::run([&] {
                 offload(pool, [] {});
                 silent.receive();
               }),
               ramie::deadlock);
}

TEST_F(call_test, a_fake_clock_stands_still_while_a_call_runs) {
  ramie::run(
      [&] {
        const auto before = ramie::this_task::now();
        EXPECT_EQ(ramie::with_timeout(1s,
                                      [&] {
                                        return offload(pool, [](const std::stop_token& stop) {
                                          std::this_thread::sleep_for(20ms);
                                          return stop.stop_requested();
                                        });
                                      }),
                  false);
        EXPECT_EQ(ramie::this_task::now(), before);
      },
      fake_time);
}

TEST_F(call_test, a_call_may_send_to_a_channel_of_its_task) {
  ramie::run([&](scope& s) {
    ramie::channel<int> progress(0);
    s.spawn([&] {
      offload(pool, [&] {
        for (int i = 0; i < 3; ++i) progress.send(i);
        progress.close();
      });
    });
    int sum = 0;
    for (const int one : progress) sum += one;
    EXPECT_EQ(sum, 3);
  });
}

TEST_F(call_test, a_call_in_a_fiber_of_a_task_parks_the_whole_task) {
  ramie::run([&] {
    int result = 0;
    ramie::fiber inner([&] { result = offload(pool, [] { return 8; }); });
    EXPECT_FALSE(inner.resume());
    EXPECT_EQ(result, 8);
  });
}

}  // namespace
}  // namespace ramie_test
