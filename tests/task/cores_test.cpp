// References to runtimes, and a scheduler on each of several threads.
#include "os/thread.hpp"
#include "task/task_world.hpp"

#include <ramie/channel.hpp>
#include <ramie/event.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <random>
#include <set>
#include <thread>

namespace ramie_test {
namespace {

using ramie::cores;
using ramie::runtime_ref;
using ramie::scope;
using ramie::task;

class cores_test : public task_world {};

// The core that a task runs on, as its thread knows.
thread_local int my_core = -1;

TEST_F(cores_test, a_task_that_was_spawned_from_another_thread_is_joined_there) {
  ramie::runtime r;
  const runtime_ref ref = r.ref();
  ramie::event over;
  std::thread other([&] {
    const auto home = std::this_thread::get_id();
    task<bool> t = ref.spawn([home] { return std::this_thread::get_id() != home; }, {.name = "sent"});
    EXPECT_TRUE(t.get());
    EXPECT_STREQ(t.name(), "sent");
    task<void> endless = ref.spawn([] { ramie::this_task::sleep_for(1h); });
    EXPECT_TRUE(endless.cancel());
    endless.join();
    EXPECT_EQ(endless.state(), ramie::task_state::cancelled);
    EXPECT_TRUE(ref.post([&] { over.set(); }));
  });
  r.run([&] { over.wait(); });
  other.join();
}

TEST_F(cores_test, a_failure_of_a_task_from_afar_is_the_runtimes) {
  ramie::runtime r;
  std::thread other([&, ref = r.ref()] {
    task<int> t = ref.spawn([]() -> int { throw std::range_error("afar"); });
    EXPECT_THROW(t.get(), std::range_error);
  });
  EXPECT_THROW(r.run([&] { ramie::this_task::sleep_for(1h); }), std::range_error);
  other.join();
}

// The runtime lives until the threads have joined, but its thread reads nothing after its last slice.
TEST_F(cores_test, threads_that_join_just_as_the_last_run_ends_go_on_before_the_runtime_goes) {
  for (int round = 0; round < 500; ++round) {
    ramie::runtime r;
    std::atomic<int> spawned = 0;
    const auto spawn_and_join = [&, ref = r.ref()] {
      const task<void> t = ref.spawn([] {});
      ++spawned;
      t.join();
    };
    std::thread one(spawn_and_join), other(spawn_and_join);
    r.run([&] {
      while (spawned != 2) ramie::this_task::yield();
    });
    one.join();
    other.join();
  }
}

TEST_F(cores_test, a_reference_to_a_runtime_that_is_gone_says_so) {
  runtime_ref ref;
  EXPECT_FALSE(ref.lives());
  EXPECT_THROW(ref.spawn([] {}), ramie::runtime_gone);
  {
    ramie::runtime r;
    ref = r.ref();
    EXPECT_TRUE(ref.lives());
  }
  EXPECT_FALSE(ref.lives());
  EXPECT_FALSE(ref.post([this, here = resident(residents)] { say("ran"); }));
  EXPECT_FALSE(ref.stop());
  EXPECT_THROW(ref.spawn([here = resident(residents)] {}), ramie::runtime_gone);
  EXPECT_EQ(said, words{});
}

TEST_F(cores_test, what_was_sent_and_never_ran_is_given_up_with_the_runtime) {
  task<int> t;
  {
    ramie::runtime r;
    t = r.ref().spawn([here = resident(residents)] { return 1; });
    r.post([this, here = resident(residents)] { say("ran"); });
    r.stop();
    EXPECT_FALSE(t.done());
  }
  EXPECT_EQ(t.state(), ramie::task_state::cancelled);
  EXPECT_THROW(t.get(), ramie::task_cancelled);
  EXPECT_EQ(said, words{});
}

TEST_F(cores_test, what_was_sent_to_a_runtime_that_rests_runs_when_it_runs_again) {
  ramie::runtime r;
  r.run([] {});
  auto t = r.ref().spawn([] { return 3; });
  EXPECT_TRUE(r.run_once(1h));
  EXPECT_EQ(t.get(), 3);
}

TEST_F(cores_test, references_race_with_the_end_of_their_runtime) {
  for (int i = 0; i < 200; ++i) {
    std::atomic<int> begun = 0, given_up = 0, gone = 0;
    runtime_ref ref;
    std::thread other;
    {
      ramie::runtime r;
      ref = r.ref();
      other = std::thread([&] {
        for (int k = 0; k < 20; ++k) {
          try {
            auto t = ref.spawn([&] { ++begun; });
            t.join();
            if (t.state() == ramie::task_state::cancelled) ++given_up;
          } catch (const ramie::runtime_gone&) {
            ++gone;
          }
        }
      });
      r.run([] { ramie::this_task::sleep_for(20us); });
    }
    other.join();
    EXPECT_EQ(begun + given_up + gone, 20);
  }
}

TEST_F(cores_test, a_second_failure_of_a_stopped_runtime_is_not_lost) {
  static std::atomic<int> unseen;
  unseen = 0;
  ramie::runtime r({.unseen_error = [](std::exception_ptr, const char*) { ++unseen; }});
  EXPECT_THROW(r.run([&] {
    try {
      r.stop();
      ramie::this_task::sleep_for(1h);
    } catch (const ramie::cancelled&) {
      throw std::range_error("while it went");
    }
  }),
               ramie::task_cancelled);
  EXPECT_EQ(unseen, 1);
}

TEST_F(cores_test, each_core_runs_main_once_on_a_thread_of_its_own) {
  std::mutex lock;
  std::set<unsigned> indices;
  std::set<std::thread::id> threads;
  ramie::run_per_core(4, [&](unsigned index) {
    ramie::this_task::yield();
    const std::lock_guard held(lock);
    indices.insert(index);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(indices, (std::set<unsigned>{0, 1, 2, 3}));
  EXPECT_EQ(threads.size(), 4U);
  EXPECT_TRUE(threads.contains(std::this_thread::get_id()));
}

TEST_F(cores_test, zero_means_the_processors_that_we_may_use) {
  std::atomic<unsigned> ran = 0;
  ramie::run_per_core(0, [&](unsigned, cores& all) {
    ++ran;
    EXPECT_EQ(all.size(), ramie::os::usable_processors());
  });
  EXPECT_EQ(ran, ramie::os::usable_processors());
}

TEST_F(cores_test, pinned_threads_run_on_one_processor_and_the_caller_is_let_go_again) {
  const auto before = ramie::os::allowed_processors();
  std::atomic<int> pinned = 0;
  ramie::run_per_core(2, [&](unsigned) { pinned += ramie::os::allowed_processors().size() == 1 ? 1 : 0; },
                      {.pin = true});
  EXPECT_EQ(pinned, 2);
  EXPECT_EQ(ramie::os::allowed_processors(), before);
}

TEST_F(cores_test, the_first_failure_stops_the_others_with_itself_as_the_cause) {
  std::atomic<int> told = 0, begun = 0;
  try {
    ramie::run_per_core(3, [&](unsigned index) {
      if (index == 1) {
        while (begun != 2) ramie::this_task::sleep_for(1ms);
        throw std::range_error("core 1");
      }
      ++begun;
      try {
        ramie::this_task::sleep_for(1h);
      } catch (const ramie::cancelled& cancelled) {
        try {
          std::rethrow_exception(cancelled.cause());
        } catch (const std::range_error&) {
          ++told;
        }
        throw;
      }
    });
    ADD_FAILURE();
  } catch (const std::range_error& error) {
    EXPECT_STREQ(error.what(), "core 1");
  }
  EXPECT_EQ(told, 2);
}

TEST_F(cores_test, later_failures_go_to_unseen_error) {
  static std::atomic<int> unseen;
  unseen = 0;
  EXPECT_THROW(ramie::run_per_core(3, [&](unsigned) { throw std::range_error("all"); },
                                   {.runtime = {.unseen_error = [](std::exception_ptr, const char*) { ++unseen; }}}),
               std::range_error);
  // The others failed too, or were stopped before they began.
  EXPECT_LE(unseen, 2);
}

TEST_F(cores_test, a_function_goes_to_the_core_that_was_named_and_its_result_comes_back) {
  ramie::run_per_core(3, [&](unsigned index, cores& all) {
    my_core = static_cast<int>(index);
    ramie::this_task::yield();
    for (unsigned to = 0; to < all.size(); ++to) {
      EXPECT_EQ(all.spawn_on(to, [only = std::make_unique<int>(5)] { return *only; }).get(), 5);
    }
    EXPECT_THROW(all.spawn_on(9, [] {}), std::out_of_range);
  });
}

TEST_F(cores_test, no_core_ends_before_what_was_sent_and_submitted_has_ended) {
  std::atomic<int> ran = 0;
  ramie::run_per_core(2, [&](unsigned index, cores& all) {
    if (index != 0) return;
    all.spawn_on(1, [&] {
      ramie::this_task::sleep_for(2ms);
      ++ran;
      all.submit([&] {
        ramie::this_task::sleep_for(2ms);
        ++ran;
        all.spawn_on(0, [&] { ++ran; });
      });
    });
  });
  EXPECT_EQ(ran, 3);
}

TEST_F(cores_test, while_one_core_is_blocked_submitted_tasks_run_on_the_others) {
  constexpr int count = 100;
  std::array<std::atomic<int>, 3> on_core{};
  ramie::event ready;
  std::atomic<int> waiting = 0;
  ramie::run_per_core(3, [&](unsigned index, cores& all) {
    my_core = static_cast<int>(index);
    ++waiting;
    if (index != 0) return;
    while (waiting != 3) ramie::this_task::yield();
    for (int i = 0; i < count; ++i) all.submit([&] { ++on_core.at(static_cast<std::size_t>(my_core)); });
    // Holds its thread until the others have done all.
    while (on_core[1] + on_core[2] != count) std::this_thread::yield();
  });
  EXPECT_EQ(on_core[0], 0);
  std::printf("of %d tasks core 1 ran %d and core 2 ran %d\n", count, on_core[1].load(), on_core[2].load());
}

TEST_F(cores_test, a_core_with_much_to_do_takes_less) {
  constexpr int count = 1000;
  std::array<std::atomic<int>, 2> on_core{};
  std::atomic<int> waiting = 0;
  std::atomic<bool> over = false;
  ramie::run_per_core(2, [&](unsigned index, cores& all) {
    my_core = static_cast<int>(index);
    ++waiting;
    if (index == 1) return;
    ramie::with_scope([&](scope& s) {
      for (int i = 0; i < 50; ++i) {
        s.spawn([&] {
          while (!over) {
            std::this_thread::sleep_for(20us);  // busy, as far as its scheduler can see
            ramie::this_task::yield();
          }
        });
      }
      while (waiting != 2) ramie::this_task::yield();
      for (int i = 0; i < count; ++i) all.submit([&] { ++on_core.at(static_cast<std::size_t>(my_core)); });
      while (on_core[0] + on_core[1] != count) ramie::this_task::yield();
      over = true;
    });
  });
  std::printf("of %d tasks the busy core ran %d and the idle one %d\n", count, on_core[0].load(), on_core[1].load());
  EXPECT_LT(on_core[0], on_core[1]);
}

TEST_F(cores_test, a_failure_of_submitted_work_is_one_of_all) {
  EXPECT_THROW(ramie::run_per_core(2,
                                   [&](unsigned index, cores& all) {
                                     if (index == 0) all.submit([] { throw std::range_error("submitted"); });
                                     ramie::this_task::sleep_for(1h);
                                   }),
               std::range_error);
}

TEST_F(cores_test, a_channel_joins_the_tasks_of_several_cores) {
  ramie::channel<int> jobs(8), results(8);
  std::atomic<int> working = 3;
  long sum = 0;
  ramie::run_per_core(4, [&](unsigned index) {
    if (index == 0) {
      ramie::with_scope([&](scope& s) {
        s.spawn([&] {
          for (int i = 1; i <= 1000; ++i) jobs.send(i);
          jobs.close();
        });
        for (const int one : results) sum += one;
      });
    } else {
      for (const int one : jobs) results.send(2 * one);
      if (--working == 0) results.close();
    }
  });
  EXPECT_EQ(sum, 1000L * 1001);
}

TEST_F(cores_test, it_is_refused_inside_of_a_task) {
  ramie::run([] { EXPECT_THROW(ramie::run_per_core(2, [](unsigned) {}), std::logic_error); });
}

// Random sends, submits, joins and cancels between cores: what was begun has ended, once, and nothing is left.
TEST_F(cores_test, random_work_between_cores_all_ends) {
  const char* given = std::getenv("RAMIE_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::atomic<int> submitted = 0, ran = 0, sent = 0, finished = 0, cancelled = 0;
  ramie::run_per_core(3, [&](unsigned index, cores& all) {
    std::mt19937_64 random(seed + index);
    for (int i = 0; i < 400; ++i) {
      switch (random() % 4) {
        case 0:
          ++submitted;
          all.submit([&, again = random() % 3 == 0] {
            if (again) {
              ++submitted;
              all.submit([&] { ++ran; });
            }
            ++ran;
          });
          break;
        case 1:
          ramie::this_task::yield();
          break;
        default: {
          ++sent;
          const bool stops = random() % 2 == 0;
          auto t = all.spawn_on(static_cast<unsigned>(random() % all.size()), [stops] {
            if (stops) ramie::this_task::sleep_for(100us);
          });
          if (stops && random() % 2 == 0) t.cancel();
          t.join();
          ++(t.state() == ramie::task_state::cancelled ? cancelled : finished);
        }
      }
    }
  });
  EXPECT_EQ(submitted, ran);
  EXPECT_EQ(sent, finished + cancelled);
}

}  // namespace
}  // namespace ramie_test
