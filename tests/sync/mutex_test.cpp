// Mutexes, condition variables and once, between tasks of one thread and on threads without a scheduler.
#include "task/task_world.hpp"

#include <ramie/condition_variable.hpp>
#include <ramie/fiber.hpp>
#include <ramie/mutex.hpp>
#include <ramie/once.hpp>

#include <cstdio>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <system_error>

namespace ramie_test {
namespace {

using ramie::scope;
using ramie::this_task::sleep_for;

class mutex_test : public task_world {};

template <class F>
bool is_refused_as_deadlock(F&& body) {
  try {
    body();
  } catch (const std::system_error& refused) {
    return refused.code() == std::errc::resource_deadlock_would_occur;
  }
  return false;
}

TEST_F(mutex_test, a_mutex_is_handed_over_in_the_order_of_asking) {
  ramie::mutex m;
  ramie::run(
      [&](scope& s) {
        for (const char* name : {"a", "b", "c"}) {
          s.spawn([&, name] {
            for (int round = 0; round < 2; ++round) {
              std::lock_guard held(m);
              say(name);
              sleep_for(1ms);
            }
          });
        }
      },
      fake_time);
  EXPECT_EQ(said, (words{"a", "b", "c", "a", "b", "c"}));
}

TEST_F(mutex_test, with_barging_who_runs_takes_it_again_and_nobody_is_forgotten) {
  ramie::mutex m(ramie::mutex_order::barging);
  ramie::run(
      [&](scope& s) {
        for (const char* name : {"a", "b", "c"}) {
          s.spawn([&, name] {
            for (int round = 0; round < 2; ++round) {
              std::lock_guard held(m);
              say(name);
              sleep_for(1ms);
            }
          });
        }
      },
      fake_time);
  EXPECT_EQ(said, (words{"a", "a", "b", "b", "c", "c"}));
}

TEST_F(mutex_test, locking_it_twice_is_refused_and_it_stays_usable) {
  ramie::mutex m;
  ramie::run(
      [&] {
        m.lock();
        EXPECT_TRUE(m.is_mine());
        EXPECT_FALSE(m.try_lock());
        EXPECT_TRUE(is_refused_as_deadlock([&] { m.lock(); }));
        m.unlock();
        EXPECT_TRUE(m.try_lock());
        m.unlock();
      },
      fake_time);
}

TEST_F(mutex_test, a_fiber_inside_a_task_locks_for_the_task) {
  ramie::mutex m;
  ramie::run(
      [&] {
        ramie::fiber inner([&] {
          m.lock();
          ramie::this_fiber::suspend();
        });
        inner.resume();
        EXPECT_TRUE(m.is_mine());
        m.unlock();
        inner.resume();
      },
      fake_time);
}

TEST_F(mutex_test, without_a_scheduler_waiting_for_a_fiber_of_the_same_thread_is_refused) {
  ramie::mutex m;
  ramie::fiber holder([&] {
    std::lock_guard held(m);
    ramie::this_fiber::suspend();
  });
  holder.resume();
  EXPECT_TRUE(is_refused_as_deadlock([&] { m.lock(); }));
  ramie::fiber other([&] { EXPECT_TRUE(is_refused_as_deadlock([&] { m.lock(); })); });
  other.resume();
  // A task waits for what cannot go on before its run() ends.
  ramie::run([&] { EXPECT_TRUE(is_refused_as_deadlock([&] { m.lock(); })); });
  holder.resume();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST_F(mutex_test, a_cancelled_waiter_leaves_nothing_behind) {
  ramie::mutex m;
  ramie::run(
      [&](scope& s) {
        m.lock();
        auto first = s.spawn([&] {
          std::lock_guard held(m);
          say("first");
        });
        s.spawn([&] {
          std::lock_guard held(m);
          say("second");
        });
        settle();
        first.cancel();
        settle();
        m.unlock();
      },
      fake_time);
  EXPECT_EQ(said, words{"second"});
}

TEST_F(mutex_test, one_that_was_handed_it_as_it_was_cancelled_has_it) {
  ramie::mutex m;
  ramie::run(
      [&](scope& s) {
        m.lock();
        auto waiter = s.spawn([&] {
          m.lock();
          say("has it");
          m.unlock();
          ramie::this_task::check();
          say("never");
        });
        settle();
        m.unlock();  // handed over
        waiter.cancel();
        waiter.join();
        EXPECT_EQ(waiter.state(), ramie::task_state::cancelled);
        EXPECT_TRUE(m.try_lock());
        m.unlock();
      },
      fake_time);
  EXPECT_EQ(said, words{"has it"});
}

TEST_F(mutex_test, a_time_limit_around_a_lock_is_over_while_another_holds_it) {
  ramie::mutex m;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] {
          std::lock_guard held(m);
          sleep_for(10ms);
        });
        settle();
        EXPECT_FALSE(ramie::try_for(5ms, [&] { m.lock(); }));
        EXPECT_TRUE(ramie::try_for(50ms, [&] { m.lock(); }));
        m.unlock();
      },
      fake_time);
}

TEST_F(mutex_test, a_destructor_that_locks_while_a_cancellation_unwinds_waits_and_gets_it) {
  ramie::mutex m;
  ramie::run(
      [&](scope& s) {
        struct locks_at_its_end {
          ramie::mutex& one;
          ~locks_at_its_end() { std::lock_guard held(one); }
        };
        auto t = s.spawn([&] {
          ramie::with_scope([&](scope& inner) {
            inner.spawn([] { sleep_for(1h); });
            locks_at_its_end guard{m};
            sleep_for(1h);
          });
        });
        settle();
        s.spawn([&] {
          std::lock_guard held(m);
          sleep_for(10ms);
          say("gives it back");
        });
        settle();
        t.cancel();
        t.join();
        say("gone");
      },
      fake_time);
  EXPECT_EQ(said, (words{"gives it back", "gone"}));
}

TEST_F(mutex_test, a_recursive_mutex_is_free_after_as_many_unlocks) {
  ramie::recursive_mutex m;
  ramie::run(
      [&](scope& s) {
        m.lock();
        EXPECT_TRUE(m.try_lock());
        auto other = s.spawn([&] { return m.try_lock(); });
        EXPECT_FALSE(other.get());
        m.unlock();
        auto again = s.spawn([&] { return m.try_lock(); });
        EXPECT_FALSE(again.get());
        m.unlock();
        EXPECT_TRUE(m.try_lock());
        m.unlock();
      },
      fake_time);
}

TEST_F(mutex_test, readers_share_and_a_waiting_writer_holds_later_readers_back) {
  ramie::shared_mutex m;
  int inside = 0, most = 0;
  ramie::run(
      [&](scope& s) {
        const auto read = [&](const char* name) {
          return [&, name] {
            ramie::this_task::no_yield until_done;
            std::shared_lock held(m);
            most = std::max(most, ++inside);
            say(name);
            sleep_for(1ms);
            --inside;
          };
        };
        s.spawn(read("r1"));
        s.spawn(read("r2"));
        s.spawn([&] {
          std::lock_guard held(m);
          EXPECT_EQ(inside, 0);
          say("w");
          sleep_for(1ms);
        });
        s.spawn(read("r3"));
        s.spawn(read("r4"));
      },
      fake_time);
  EXPECT_EQ(said, (words{"r1", "r2", "w", "r3", "r4"}));
  EXPECT_EQ(most, 2);
}

TEST_F(mutex_test, readers_go_on_when_the_writer_before_them_is_cancelled) {
  ramie::shared_mutex m;
  ramie::run(
      [&](scope& s) {
        std::shared_lock held(m);
        auto writer = s.spawn([&] { m.lock(); });
        auto reader = s.spawn([&] {
          std::shared_lock also(m);
          say("reads");
        });
        settle();
        EXPECT_FALSE(m.try_lock_shared()) << "the writer came first";
        writer.cancel();
        reader.join();
      },
      fake_time);
  EXPECT_EQ(said, words{"reads"});
}

TEST_F(mutex_test, a_condition_variable_wakes_one_in_order_or_all) {
  ramie::mutex m;
  ramie::condition_variable changed;
  ramie::run(
      [&](scope& s) {
        for (const char* name : {"a", "b", "c", "d"}) {
          s.spawn([&, name] {
            std::unique_lock held(m);
            changed.wait(held);
            say(name);
          });
        }
        settle();
        changed.notify_one();
        say("one");
        settle();
        changed.notify_all();
        changed.notify_one();  // nobody waits: nothing
        say("all");
      },
      fake_time);
  EXPECT_EQ(said, (words{"one", "a", "all", "b", "c", "d"}));
}

TEST_F(mutex_test, a_cancelled_wait_for_a_condition_has_the_mutex_when_it_unwinds) {
  ramie::mutex m;
  ramie::condition_variable changed;
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] {
          std::unique_lock held(m);
          try {
            changed.wait(held);
          } catch (const ramie::cancelled&) {
            say(m.is_mine() ? "holds" : "does not hold");
            throw;
          }
        });
        settle();
        m.lock();
        t.cancel();
        sleep_for(1ms);
        say("unlocks");
        m.unlock();
      },
      fake_time);
  EXPECT_EQ(said, (words{"unlocks", "holds"}));
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST_F(mutex_test, a_notify_that_comes_with_a_cancellation_is_not_lost) {
  ramie::mutex m;
  ramie::condition_variable changed;
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] {
          std::unique_lock held(m);
          changed.wait(held);
          say("was notified");
        });
        settle();
        changed.notify_one();
        t.cancel();
      },
      fake_time);
  EXPECT_EQ(said, words{"was notified"});
}

TEST_F(mutex_test, once_runs_until_it_has_succeeded_and_others_wait_for_it) {
  ramie::once_flag made;
  int tries = 0;
  ramie::run(
      [&](scope& s) {
        for (int i = 0; i < 10; ++i) {
          s.spawn([&] {
            try {
              ramie::call_once(made, [&] {
                sleep_for(1ms);
                if (++tries < 3) throw std::runtime_error("not yet");
                say("made");
              });
              EXPECT_EQ(tries, 3);
            } catch (const std::runtime_error&) {
              say("failed");
            }
          });
        }
      },
      fake_time);
  EXPECT_EQ(said, (words{"failed", "failed", "made"}));
  EXPECT_EQ(tries, 3);
}

TEST_F(mutex_test, once_inside_once_is_refused) {
  ramie::once_flag made;
  EXPECT_TRUE(is_refused_as_deadlock([&] { ramie::call_once(made, [&] { ramie::call_once(made, [] {}); }); }));
}

using mutex_death_test = mutex_test;

TEST_F(mutex_death_test, unlocking_what_another_holds_is_a_failed_check) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: a failed check: ThreadSanitizer allows no threads in a forked child\n");
  GTEST_SKIP();
#endif
  EXPECT_DEATH(ramie::run([&](scope& s) {
                 ramie::mutex m;
                 m.lock();
                 s.spawn([&] { m.unlock(); });
                 settle();
               }),
               "does not hold it");
}

TEST_F(mutex_death_test, destroying_one_that_is_waited_for_is_a_failed_check) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: a failed check: ThreadSanitizer allows no threads in a forked child\n");
  GTEST_SKIP();
#endif
  EXPECT_DEATH(ramie::run([&](scope& s) {
                 ramie::mutex m;
                 m.lock();
                 s.spawn([&] { m.lock(); });
                 settle();
               }),
               "a mutex is destroyed while somebody waits on it");
}

TEST_F(mutex_death_test, unlocking_a_recursive_one_that_another_holds_or_nobody_is_a_failed_check) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: a failed check: ThreadSanitizer allows no threads in a forked child\n");
  GTEST_SKIP();
#endif
  EXPECT_DEATH(
      {
        ramie::recursive_mutex m;
        m.unlock();
      },
      "does not hold it");
  EXPECT_DEATH(ramie::run([&](scope& s) {
                 ramie::recursive_mutex m;
                 m.lock();
                 m.lock();
                 s.spawn([&] { m.unlock(); });
                 settle();
               }),
               "does not hold it");
}

TEST_F(mutex_test, a_condition_variable_refuses_to_wait_for_one_who_holds_nothing) {
  ramie::run([&] {
    ramie::mutex m;
    ramie::condition_variable changed;
    std::unique_lock<ramie::mutex> none, open(m, std::defer_lock);
    for (auto* held : {&none, &open}) {
      try {
        changed.wait(*held);
        ADD_FAILURE();
      } catch (const std::system_error& refused) {
        EXPECT_EQ(refused.code(), std::errc::operation_not_permitted);
      }
    }
  });
}

}  // namespace
}  // namespace ramie_test
