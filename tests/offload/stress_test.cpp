// Random calls, cancels and limits from several schedulers and plain threads, against what must hold of the counts; and
// a cancel that falls on every moment of a call.
#include "offload/offload_world.hpp"

#include <cstdio>
#include <cstdlib>
#include <random>

namespace ramie_test {
namespace {

using ramie::offload;
using ramie::scope;

std::uint64_t seed() {
  const char* given = std::getenv("RAMIE_TEST_SEED");
  const std::uint64_t start = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(start));
  return start;
}

// What the callers saw, counted where they saw it.
struct seen {
  std::atomic<std::uint64_t> asked = 0, started = 0, ended = 0, results = 0, threw = 0, told = 0, refused = 0;
};

// One call of a random kind. A function that was asked to stop ends within its unblock.
void call_once(ramie::offload_pool& pool, std::mt19937_64& random, seen& counts) {
  const auto kind = random() % 4;
  const auto spins = random() % 2000;
  ++counts.asked;
  try {
    const auto value = offload(pool, [&](const std::stop_token& stop) {
      ++counts.started;
      struct at_end {
        std::atomic<std::uint64_t>& count;
        ~at_end() { ++count; }
      } const last{counts.ended};
      if (kind == 0) throw std::range_error("");
      if (kind == 1) {
        std::atomic<bool> enough = false;
        ramie::unblock_callback wake(stop, [&] { enough = true; });
        for (unsigned long i = 0; i < 20 * spins && !enough; ++i) std::this_thread::yield();
      }
      std::atomic<unsigned long> work = 0;
      for (unsigned long i = 0; i < spins; ++i) ++work;
      return work.load();
    });
    if (value == spins) ++counts.results;
  } catch (const std::range_error&) {
    ++counts.threw;
  } catch (const std::system_error&) {
    ++counts.refused;
  } catch (const ramie::cancelled&) {
    ++counts.told;
    throw;
  }
}

TEST(stress_test, every_call_ends_in_one_way_and_the_counts_agree) {
  std::mt19937_64 random(seed());
  for (int round = 0; round < 4; ++round) {
    ramie::offload_pool pool({.threads = 1 + round % 3U, .queue_limit = 6, .keep_idle = 1ms});
    seen counts;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, start = random(), t] {
        std::mt19937_64 own(start);
        if (t == 2) {
          for (int i = 0; i < 200; ++i) call_once(pool, own, counts);
          return;
        }
        ramie::run([&](scope& s) {
          std::vector<ramie::task<void>> tasks;
          for (int k = 0; k < 8; ++k) {
            tasks.push_back(s.spawn([&, own_start = own()] {
              std::mt19937_64 mine(own_start);
              for (int i = 0; i < 50; ++i) {
                (void)ramie::try_for(std::chrono::microseconds(mine() % 500), [&] { call_once(pool, mine, counts); });
              }
            }));
          }
          ramie::this_task::sleep_for(3ms);
          for (int i = 0; i < 3; ++i) tasks[own() % tasks.size()].cancel();
        });
      });
    }
    for (auto& one : threads) one.join();
    const auto at_end = pool.statistics();
    EXPECT_EQ(at_end.running + at_end.queued, 0U);
    EXPECT_EQ(counts.started, counts.ended);
    EXPECT_EQ(at_end.done, counts.started);
    EXPECT_EQ(at_end.rejected, counts.refused);
    EXPECT_EQ(counts.asked, counts.results + counts.threw + counts.told + counts.refused);
    // Told before the call was made, taken back, or thrown in place of what escaped.
    EXPECT_GE(counts.told, at_end.withdrawn);
    EXPECT_LE(at_end.cancelled, at_end.done);
    EXPECT_GT(counts.results, 0U);
  }
}

// The cancel comes at each moment around start and return: the function runs once or never, and never beyond the wait.
TEST(stress_test, a_cancel_that_races_with_start_and_return_ends_in_one_way) {
  std::mt19937_64 random(seed());
  ramie::offload_pool pool({.threads = 1});
  int ran_and_returned = 0, never_ran = 0;
  ramie::run([&](scope& s) {
    s.spawn(
        [&] {
          for (;;) {  // now and then somebody else has the thread
            offload(pool, [&] { std::this_thread::sleep_for(20us); });
            ramie::this_task::sleep_for(200us);
          }
        },
        {.transient = true});
    for (int i = 0; i < 1500; ++i) {
      int runs = 0;
      bool finished = false, told = false;
      const auto delay = random() % 60;
      auto t = s.spawn([&] {
        try {
          offload(pool, [&](const std::stop_token& stop) {
            ++runs;
            ramie::unblock_callback wake(stop, [] {});
            finished = true;
          });
        } catch (const ramie::cancelled&) {
          told = true;
          throw;
        }
      });
      ramie::this_task::yield();
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(delay);
      while (std::chrono::steady_clock::now() < until) ramie::this_task::yield();
      t.cancel();
      t.join();
      ASSERT_EQ(runs, finished ? 1 : 0);
      ASSERT_NE(told, finished);
      ++(finished ? ran_and_returned : never_ran);
    }
  });
  std::printf("ran and returned: %d, never ran: %d\n", ran_and_returned, never_ran);
}

}  // namespace
}  // namespace ramie_test
