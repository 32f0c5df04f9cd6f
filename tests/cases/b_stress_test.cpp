// Many fibers and many threads: cases B01 to B05.
#include "cases/world.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace cases {
namespace {

class stress_test : public clean_world {};

// B01
TEST_F(stress_test, a_thousand_fibers_made_and_dropped_and_a_thousand_ended) {
  auto held = std::make_shared<int>(0);
  {
    std::vector<fiber> never;
    for (int i = 0; i < 1000; ++i) never.emplace_back([held] {});
    EXPECT_EQ(held.use_count(), 1001);
  }
  EXPECT_EQ(held.use_count(), 1);
  int ended = 0;
  std::vector<fiber> done;
  for (int i = 0; i < 1000; ++i) {
    done.emplace_back([&] { ++ended; });
    EXPECT_FALSE(done.back().resume());
  }
  EXPECT_EQ(ended, 1000);
}

// B02
TEST_F(stress_test, a_hundred_threads_run_a_thousand_short_fibers_each) {
  std::atomic<int> counter{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 100; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        fiber f([&] { counter.fetch_add(1, std::memory_order_relaxed); });
        f.resume();
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(counter, 100'000);
}

// B03
TEST_F(stress_test, a_thousand_suspended_fibers_are_resumed_twice) {
  const int count = many(1000);
  std::vector<fiber> fibers;
  for (int i = 0; i < count; ++i) {
    fibers.emplace_back([] {
      this_fiber::suspend();
      this_fiber::suspend();
    });
  }
  EXPECT_EQ(ramie::resume_each(fibers), static_cast<std::size_t>(count));
  EXPECT_EQ(ramie::resume_each(fibers), static_cast<std::size_t>(count));
  EXPECT_EQ(ramie::resume_each(fibers), 0u);
}

// B03: the shape of benchmark/fiber_chain.
TEST_F(stress_test, a_chain_of_a_thousand_fibers_passes_messages_through) {
  using link = coroutine<std::string()>;
  const int depth = many(1000);
  auto previous = std::make_unique<link>([](auto& yield) {
    for (;;) yield("message");
    return std::string();
  });
  for (int i = 0; i < depth; ++i) {
    previous = std::make_unique<link>([before = std::move(previous)](auto& yield) {
      for (;;) yield(before->resume());
      return std::string();
    });
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(previous->resume(), "message");
}

TEST_F(stress_test, a_thousand_nested_fibers_suspend_and_are_continued_from_the_inside_out) {
  const int depth = many(1000);
  std::vector<fiber> fibers(static_cast<std::size_t>(depth));
  int at_the_bottom = 0, after = 0;
  for (int i = 0; i < depth; ++i) {
    fibers[static_cast<std::size_t>(i)] = fiber([&, i] {
      if (i + 1 < depth) {
        fibers[static_cast<std::size_t>(i) + 1].resume();
        EXPECT_EQ(fibers[static_cast<std::size_t>(i) + 1].state(), fiber_state::suspended);
      } else {
        for (auto& one : fibers) {
          EXPECT_EQ(one.state(), &one == &fibers.back() ? fiber_state::running : fiber_state::resuming);
        }
        ++at_the_bottom;
      }
      this_fiber::suspend();
      ++after;
    });
  }
  EXPECT_TRUE(fibers[0].resume());
  EXPECT_EQ(at_the_bottom, 1);
  EXPECT_EQ(ramie::resume_each(fibers), 0u);
  EXPECT_EQ(after, depth);
}

// B04, and ours: with the default limits.
TEST_F(stress_test, a_hundred_thousand_fibers_are_suspended_at_once) {
  const int count = under_tsan ? 400 : under_asan ? 2000 : 100'000;
  std::vector<fiber> fibers;
  fibers.reserve(static_cast<std::size_t>(count));
  long sum = 0;
  try {
    for (int i = 0; i < count; ++i) {
      fibers.emplace_back(
          [&sum, i] {
            this_fiber::suspend();
            sum += i;
          },
          fiber_options{.stack_bytes = 12 << 10});
      fibers.back().resume();
    }
  } catch (const ramie::stack_error& refused) {
    // Where only mprotect guards, 100,000 are too many for the default vm.max_map_count; 10,000 never are.
    std::printf("skipped: 100,000 suspended fibers: %s\n", refused.what());
    EXPECT_EQ(ramie::count_stacks().guard, ramie::guard::mprotect);
    EXPECT_EQ(refused.limit(), ramie::stack_limit::mappings);
    EXPECT_GE(fibers.size(), 10'000u);
    fibers.pop_back();
  }
  EXPECT_EQ(ramie::count_stacks().in_use, stacks_before_ + fibers.size());
  const auto living = static_cast<long>(fibers.size());
  EXPECT_EQ(ramie::resume_each(fibers), 0u);
  EXPECT_EQ(sum, living * (living - 1) / 2);
}

TEST_F(stress_test, threads_end_with_suspended_fibers_and_handles_die_everywhere) {
  std::atomic<int> made{0}, unwound{0};
  struct counts {
    std::atomic<int>& count;
    ~counts() { count.fetch_add(1, std::memory_order_relaxed); }
  };
  for (int round = 0; round < 5; ++round) {
    constexpr std::size_t thread_count = 8;
    std::vector<std::vector<fiber>> of_thread(thread_count);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < thread_count; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 40; ++i) {
          of_thread[t].emplace_back([&] {
            counts c{unwound};
            this_fiber::suspend();
          });
          of_thread[t].back().resume();
          made.fetch_add(1, std::memory_order_relaxed);
        }
        // Half of them die here; the others' handles outlive the thread.
        of_thread[t].resize(20);
      });
    }
    for (auto& t : threads) t.join();
    for (auto& fibers : of_thread) {
      for (auto& f : fibers) EXPECT_TRUE(f.done());
    }
    std::thread([gone = std::move(of_thread)] {}).join();
  }
  EXPECT_EQ(made, 1600);
  EXPECT_EQ(unwound, 1600);
}

TEST_F(stress_test, handles_thrown_over_the_fence_while_both_threads_run_are_unwound_at_home) {
  std::atomic<int> unwound{0};
  struct counts {
    std::atomic<int>& count;
    ~counts() { count.fetch_add(1, std::memory_order_relaxed); }
  };
  const int total = many(2000) / 2;
  for (int round = 0; round < 2; ++round) {
    std::vector<fiber> handed(static_cast<std::size_t>(total));
    std::atomic<int> ready{0};
    std::thread home([&] {
      for (int i = 0; i < total; ++i) {
        auto& place = handed[static_cast<std::size_t>(i)];
        place = fiber([&] {
          counts c{unwound};
          this_fiber::suspend();
        });
        place.resume();
        ready.store(i + 1, std::memory_order_release);
      }
    });
    std::thread other([&] {
      for (int i = 0; i < total; ++i) {
        while (ready.load(std::memory_order_acquire) <= i) std::this_thread::yield();
        handed[static_cast<std::size_t>(i)] = fiber();
      }
    });
    home.join();
    other.join();
  }
  EXPECT_EQ(unwound, 2 * total);
}

TEST_F(stress_test, fibers_made_here_and_run_there_keep_the_counts) {
  constexpr std::size_t lanes = 8;
  const int per_lane = many(500) / 4;
  std::atomic<int> ran{0};
  for (int round = 0; round < 5; ++round) {
    std::vector<std::vector<fiber>> lane(lanes);
    for (auto& fibers : lane) {
      for (int i = 0; i < per_lane; ++i) {
        fibers.emplace_back([&] {
          this_fiber::suspend();
          ran.fetch_add(1, std::memory_order_relaxed);
        });
      }
    }
    std::vector<std::thread> threads;
    for (auto& fibers : lane) {
      threads.emplace_back([mine = std::move(fibers)]() mutable {
        while (ramie::resume_each(mine) > 0) {
        }
      });
    }
    for (auto& t : threads) t.join();
  }
  EXPECT_EQ(ran, 5 * static_cast<int>(lanes) * per_lane);
}

}  // namespace
}  // namespace cases
