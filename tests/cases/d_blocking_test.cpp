// The behaviour cases of docs/cases.md that are about what waits: of sections D, E and H.
#include <ramie/channel.hpp>
#include <ramie/condition_variable.hpp>
#include <ramie/event.hpp>
#include <ramie/fiber.hpp>
#include <ramie/once.hpp>
#include <ramie/runtime.hpp>
#include <ramie/semaphore.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace ramie_test {
namespace {

using namespace std::chrono_literals;
using ramie::channel;
using ramie::scope;
using ramie::this_task::sleep_for;
using words = std::vector<std::string>;

const ramie::runtime_options fake_time = {.clock = ramie::clock_kind::fake};
// Until all others wait. A yield would not do: a slice may end by time.
void settle() { sleep_for(1ms); }

bool is_refused_as_deadlock(ramie::mutex& m) {
  try {
    m.lock();
  } catch (const std::system_error& refused) {
    return refused.code() == std::errc::resource_deadlock_would_occur;
  }
  return false;
}

// D12
TEST(blocking_mutex_test, two_tasks_lock_sleep_and_unlock_one_mutex) {
  ramie::mutex m;
  words said;
  ramie::run(
      [&](scope& s) {
        for (const char* name : {"a", "b"}) {
          s.spawn([&, name] {
            std::lock_guard held(m);
            said.push_back(std::string(name) + " in");
            sleep_for(1ms);
            said.push_back(std::string(name) + " out");
          });
        }
      },
      fake_time);
  EXPECT_EQ(said, (words{"a in", "a out", "b in", "b out"}));
}

// D12
TEST(blocking_mutex_test, a_task_waits_for_a_mutex_that_another_thread_holds) {
  ramie::mutex m;
  ramie::event locked;
  bool unlocked = false;
  std::thread holder([&] {
    m.lock();
    locked.set();
    std::this_thread::sleep_for(5ms);
    unlocked = true;
    m.unlock();
  });
  ramie::run([&] {
    locked.wait();
    std::lock_guard held(m);
    EXPECT_TRUE(unlocked);
  });
  holder.join();
}

// D14
TEST(blocking_mutex_test, without_a_scheduler_a_second_fiber_of_the_thread_is_refused) {
  ramie::mutex m;
  ramie::fiber first([&] {
    m.lock();
    ramie::this_fiber::suspend();
    m.unlock();
  });
  ramie::fiber second([&] { EXPECT_TRUE(is_refused_as_deadlock(m)); });
  first.resume();
  second.resume();
  first.resume();
}

// D15
TEST(blocking_condition_test, three_signals_are_three_wakeups) {
  ramie::mutex m;
  ramie::condition_variable changed;
  int signalled = 0, woken = 0;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] {
          std::unique_lock held(m);
          while (woken < 3) {
            changed.wait(held, [&] { return signalled > woken; });
            ++woken;
          }
        });
        for (int i = 0; i < 3; ++i) {
          settle();
          std::lock_guard held(m);
          ++signalled;
          changed.notify_one();
        }
      },
      fake_time);
  EXPECT_EQ(woken, 3);
}

// D15
TEST(blocking_condition_test, a_waiter_that_is_told_to_go_has_the_mutex_again_and_releases_it) {
  ramie::mutex m;
  ramie::condition_variable changed;
  bool had_it = false;
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] {
          std::unique_lock held(m);
          try {
            changed.wait(held);
          } catch (...) {
            had_it = m.is_mine();
            throw;
          }
        });
        settle();
        t.cancel();
      },
      fake_time);
  EXPECT_TRUE(had_it);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

// D16
TEST(blocking_channel_test, a_receive_waits_for_another_threads_send) {
  channel<int> c;
  std::thread sender([&] { c.send(42); });
  ramie::run([&] { EXPECT_EQ(c.receive(), 42); });
  sender.join();
}

// D16
TEST(blocking_channel_test, a_closed_channel_ends_the_loop_after_three) {
  channel<int> c(3);
  std::thread sender([&] {
    for (int i = 0; i < 3; ++i) c.send(i);
    c.close();
  });
  int items = 0;
  ramie::run([&] {
    for ([[maybe_unused]] int& n : c) ++items;
  });
  EXPECT_EQ(items, 3);
  sender.join();
}

// D16, E34
TEST(blocking_channel_test, receives_with_limits_end_in_the_order_of_their_limits_or_with_a_value) {
  channel<int> c;
  words said;
  ramie::run(
      [&](scope& s) {
        for (int tenths : {3, 1, 2}) {
          s.spawn([&, tenths] {
            if (!ramie::try_for(tenths * 100ms, [&] { return c.receive(); })) said.push_back(std::to_string(tenths));
          });
        }
        s.join();
        EXPECT_FALSE(ramie::try_for(0ms, [&] { return c.receive(); }));
        auto receiver = s.spawn([&] { return ramie::with_timeout(100ms, [&] { return c.receive(); }); });
        c.send(7);
        EXPECT_EQ(receiver.get(), 7);
      },
      fake_time);
  EXPECT_EQ(said, (words{"1", "2", "3"}));
}

// D29
TEST(blocking_once_test, ten_tasks_ask_ten_times_for_what_is_made_once) {
  ramie::once_flag flag;
  int made = 0;
  ramie::run(
      [&](scope& s) {
        for (int i = 0; i < 10; ++i) {
          s.spawn([&] {
            for (int k = 0; k < 10; ++k) {
              ramie::call_once(flag, [&] {
                sleep_for(1ms);
                ++made;
              });
              EXPECT_EQ(made, 1);
            }
          });
        }
      },
      fake_time);
}

// E24: their Barrier is a scope here
TEST(blocking_scope_test, tasks_are_waited_for_in_order_and_after_the_first_three_two_remain) {
  words results;
  ramie::run(
      [&](scope&) {
        ramie::with_scope([&](scope& s) {
          std::vector<ramie::task<int>> tasks;
          for (int i = 0; i < 5; ++i) {
            tasks.push_back(s.spawn([i] {
              sleep_for((i + 1) * 10ms);
              return i;
            }));
          }
          for (std::size_t i = 0; i < 3; ++i) results.push_back("result_" + std::to_string(tasks[i].get()));
          EXPECT_EQ(s.size(), 2u);
          s.cancel();
        });
      },
      fake_time);
  EXPECT_EQ(results, (words{"result_0", "result_1", "result_2"}));
}

// E26
TEST(blocking_scope_test, cancelled_tasks_that_sleep_while_they_clean_up_are_waited_for) {
  int cleaned = 0;
  ramie::run(
      [&](scope&) {
        ramie::with_scope([&](scope& s) {
          struct cleans {
            int& count;
            ~cleans() {
              ramie::with_shield(1s, [&] { sleep_for(1ms); });
              ++count;
            }
          };
          for (int i = 0; i < 3; ++i) {
            s.spawn([&] {
              cleans guard{cleaned};
              sleep_for(1h);
            });
          }
          settle();
          s.cancel();
        });
        EXPECT_EQ(cleaned, 3);
      },
      fake_time);
}

// E29
TEST(blocking_semaphore_test, ten_jobs_run_four_at_a_time_and_with_a_limit_of_one_one_after_the_other) {
  for (std::size_t limit : {4u, 1u}) {
    ramie::semaphore places(limit);
    std::size_t inside = 0, most = 0;
    std::vector<int> steps;
    ramie::run(
        [&](scope& s) {
          for (int i = 0; i < 10; ++i) {
            s.spawn([&, i] {
              ramie::permit one(places);
              most = std::max(most, ++inside);
              steps.push_back(i);
              sleep_for(1ms);
              steps.push_back(i);
              --inside;
            });
          }
        },
        fake_time);
    EXPECT_EQ(most, limit);
    if (limit == 1) {
      EXPECT_EQ(std::vector<int>(steps.begin(), steps.begin() + 6), (std::vector<int>{0, 0, 1, 1, 2, 2}));
    }
  }
}

// E31
TEST(blocking_semaphore_test, a_raised_limit_wakes_and_a_lowered_one_waits_for_both_holders) {
  ramie::semaphore places(2);
  ramie::run(
      [&](scope& s) {
        places.acquire(2);
        places.set_limit(1);
        auto waits = s.spawn([&] { places.acquire(); });
        settle();
        places.release();
        settle();
        EXPECT_FALSE(waits.done());
        places.release();
        waits.join();
        EXPECT_EQ(places.taken(), 1u);
        auto second = s.spawn([&] { places.acquire(); });
        settle();
        EXPECT_FALSE(second.done());
        places.set_limit(2);
        second.join();
        places.release(2);
      },
      fake_time);
}

// E32
TEST(blocking_condition_test, five_waiters_go_on_in_order_and_a_signal_passes_over_one_that_is_gone) {
  ramie::mutex m;
  ramie::condition_variable changed;
  words said;
  ramie::run(
      [&](scope& s) {
        std::vector<ramie::task<void>> tasks;
        for (int i = 0; i < 5; ++i) {
          tasks.push_back(s.spawn([&, i] {
            std::unique_lock held(m);
            changed.wait(held);
            said.push_back(std::to_string(i));
          }));
        }
        settle();
        tasks[0].cancel();
        for (int i = 0; i < 4; ++i) changed.notify_one();
        s.join();
        changed.notify_one();
      },
      fake_time);
  EXPECT_EQ(said, (words{"1", "2", "3", "4"}));
}

// E33
TEST(blocking_event_test, waiting_running_signalled_resumed_finished) {
  ramie::event notification;
  words said;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] {
          ramie::this_task::no_yield until_done;

          said.push_back("waiting");
          notification.wait();
          said.push_back("resumed");
        });
        s.spawn([&] {
          ramie::this_task::no_yield until_done;

          said.push_back("running");
          notification.set();
          said.push_back("signalled");
        });
        s.join();
        said.push_back("finished");
      },
      fake_time);
  EXPECT_EQ(said, (words{"waiting", "running", "signalled", "resumed", "finished"}));
}

// E34, H21
TEST(blocking_channel_test, a_closed_channel_refuses_sends_wakes_its_receiver_and_is_drained) {
  channel<int> c(4), quiet;
  ramie::run(
      [&](scope& s) {
        auto waits = s.spawn([&] { return quiet.receive(); });
        settle();
        quiet.close();
        EXPECT_EQ(waits.get(), std::nullopt);
        c.send(1);
        c.send(2);
        c.close();
        EXPECT_THROW(c.send(3), ramie::channel_closed);
        EXPECT_EQ(c.receive(), 1);
        EXPECT_EQ(c.receive(), 2);
        EXPECT_EQ(c.receive(), std::nullopt);
      },
      fake_time);
}

// E35
TEST(blocking_channel_test, ten_blocked_senders_go_on_one_for_each_receive_and_closing_refuses_the_rest) {
  channel<int> c(1);
  int sent = 0, refused = 0;
  ramie::run(
      [&](scope& s) {
        for (int i = 0; i < 10; ++i) {
          s.spawn([&, i] {
            try {
              c.send(i);
              ++sent;
            } catch (const ramie::channel_closed&) {
              ++refused;
            }
          });
        }
        settle();
        EXPECT_EQ(sent, 1);
        for (int i = 0; i < 5; ++i) {
          EXPECT_EQ(c.receive(), i);
          settle();
          EXPECT_EQ(sent, i + 2);
        }
        c.close();
        s.join();
        EXPECT_EQ(refused, 4);
      },
      fake_time);
}

// E38
TEST(blocking_event_test, some_waiters_time_out_and_the_others_get_the_value) {
  ramie::event resolved;
  int value = 0;
  words said;
  ramie::run(
      [&](scope& s) {
        for (int limit : {1, 2, 30, 40}) {
          s.spawn([&, limit] {
            const bool in_time = ramie::try_for(limit * 1ms, [&] { resolved.wait(); });
            said.push_back(in_time ? std::to_string(value) : "timeout");
          });
        }
        sleep_for(10ms);
        value = 42;
        resolved.set();
      },
      fake_time);
  EXPECT_EQ(said, (words{"timeout", "timeout", "42", "42"}));
}

// H16
TEST(blocking_channel_test, the_steps_of_a_sender_and_a_receiver_over_one_place_are_known) {
  channel<int> mailbox(1);
  words said;
  ramie::run(
      [&](scope& s) {
        ramie::this_task::no_yield until_all_done;

        s.spawn([&] {
          ramie::this_task::no_yield until_done;

          while (auto n = mailbox.receive()) said.push_back("r" + std::to_string(*n));
        });
        for (int i = 1; i <= 3; ++i) {
          mailbox.send(i);
          said.push_back("s" + std::to_string(i));
        }
        settle();
        mailbox.close();
      },
      fake_time);
  EXPECT_EQ(said, (words{"s1", "r1", "r2", "s2", "s3", "r3"}));
}

// H18
TEST(blocking_channel_test, an_exception_that_is_sent_is_a_value_and_is_not_thrown) {
  channel<std::exception_ptr> c(1);
  ramie::run(
      [&] {
        c.send(std::make_exception_ptr(std::runtime_error("only a message")));
        EXPECT_NE(c.receive().value(), nullptr);
      },
      fake_time);
}

// H20
TEST(blocking_channel_test, a_sender_runs_as_far_ahead_as_there_are_places) {
  channel<int> queue(3);
  words said;
  ramie::run(
      [&](scope& s) {
        ramie::this_task::no_yield until_all_done;

        s.spawn([&] {
          ramie::this_task::no_yield until_done;

          for (int i = 1; i <= 5; ++i) {
            queue.send(i);
            said.push_back("p" + std::to_string(i));
          }
          queue.close();
        });
        settle();
        while (auto n = queue.receive()) {
          said.push_back("s" + std::to_string(*n));
          settle();
        }
      },
      fake_time);
  EXPECT_EQ(said, (words{"p1", "p2", "p3", "s1", "p4", "s2", "p5", "s3", "s4", "s5"}));
}

// H22
TEST(blocking_mutex_test, a_waiter_that_is_gone_is_passed_over) {
  ramie::mutex m;
  words said;
  ramie::run(
      [&](scope& s) {
        const auto work = [&](const char* name) {
          return [&, name] {
            std::lock_guard held(m);
            said.push_back(name);
            sleep_for(1ms);
            said.push_back(std::string(name) + ".1");
          };
        };
        s.spawn(work("1"));
        auto second = s.spawn(work("2"));
        s.spawn(work("3"));
        settle();
        second.cancel();
      },
      fake_time);
  EXPECT_EQ(said, (words{"1", "1.1", "3", "3.1"}));
}

// H22
TEST(blocking_mutex_test, locking_twice_is_refused_and_a_recursive_mutex_allows_it) {
  ramie::mutex m;
  ramie::recursive_mutex again;
  ramie::run(
      [&] {
        std::lock_guard held(m);
        EXPECT_TRUE(is_refused_as_deadlock(m));
        std::lock_guard outer(again);
        std::lock_guard inner(again);
      },
      fake_time);
}

// H23
TEST(blocking_event_test, signals_coalesce_and_one_before_the_wait_is_kept) {
  ramie::event e;
  int woken = 0;
  ramie::run(
      [&](scope& s) {
        e.set();
        s.spawn(
            [&] {
              for (;;) {
                e.wait();
                e.reset();
                ++woken;
              }
            },
            {.transient = true});
        settle();
        EXPECT_EQ(woken, 1) << "the signal before the wait";
        e.set();
        e.set();
        e.set();
        settle();
        EXPECT_EQ(woken, 2);
      },
      fake_time);
}

// H24: a pool is a channel of what there is
TEST(blocking_channel_test, a_pool_of_two_serves_four_and_a_failure_loses_nothing) {
  channel<std::string> pool(2);
  words said;
  ramie::run(
      [&](scope& s) {
        pool.send("a");
        pool.send("b");
        for (int i = 0; i < 4; ++i) {
          s.spawn([&] {
            ramie::this_task::no_yield until_done;

            std::string mine = pool.receive().value();
            said.push_back(mine);
            sleep_for(1ms);
            pool.send(std::move(mine));
          });
        }
        s.join();
        EXPECT_EQ(pool.size(), 2u);
      },
      fake_time);
  EXPECT_EQ(said, (words{"a", "b", "a", "b"}));
}

}  // namespace
}  // namespace ramie_test
