// What a pool does: bounds, refusals, counts, threads that come and go.
#include "offload/offload_world.hpp"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

namespace ramie_test {
namespace {

using ramie::offload;
using ramie::scope;

class pool_test : public offload_world {};

TEST_F(pool_test, no_more_threads_than_were_allowed_and_all_calls_run) {
  ramie::offload_pool narrow({.threads = 3});
  std::atomic<int> inside = 0, most = 0, ran = 0;
  ramie::run([&](scope& s) {
    for (int i = 0; i < 60; ++i) {
      s.spawn([&] {
        offload(narrow, [&] {
          const int now = ++inside;
          for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
          }
          std::this_thread::sleep_for(200us);
          --inside;
          ++ran;
        });
      });
    }
  });
  EXPECT_EQ(ran, 60);
  EXPECT_LE(most, 3);
  const auto counts = narrow.statistics();
  EXPECT_EQ(counts.done, 60U);
  EXPECT_LE(counts.threads, 3U);
  EXPECT_LE(counts.longest_queue, 57U);
  EXPECT_EQ(counts.rejected, 0U);
}

TEST_F(pool_test, one_more_than_the_queue_holds_is_refused_with_the_numbers_and_the_option) {
  ramie::run([&](scope& s) {
    std::atomic<bool> open = false;
    for (int i = 0; i < 5; ++i) {
      s.spawn([&] {
        offload(pool, [&] {
          while (!open) std::this_thread::yield();
        });
      });
    }
    wait_for_queued(3);
    try {
      offload(pool, [&] { say("ran"); });
      ADD_FAILURE();
    } catch (const std::system_error& refused) {
      EXPECT_EQ(refused.code(), std::errc::resource_unavailable_try_again);
      const std::string text = refused.what();
      for (const char* part : {"'test'", "all 2 threads", "3 calls", "queue_limit", "has not run"}) {
        EXPECT_NE(text.find(part), std::string::npos) << text;
      }
    }
    open = true;
    s.join();
    EXPECT_EQ(offload(pool, [] { return 1; }), 1);
  });
  EXPECT_EQ(pool.statistics().rejected, 1U);
  EXPECT_EQ(pool.statistics().longest_queue, 3U);
  EXPECT_EQ(said, words{});
}

TEST_F(pool_test, a_pool_without_a_queue_serves_who_finds_a_thread) {
  ramie::offload_pool direct({.threads = 1, .queue_limit = 0});
  ramie::run([&](scope& s) {
    std::atomic<bool> open = false;
    s.spawn([&] {
      offload(direct, [&] {
        while (!open) std::this_thread::yield();
      });
    });
    while (direct.statistics().running == 0) ramie::this_task::yield();
    EXPECT_THROW(offload(direct, [] {}), std::system_error);
    open = true;
    s.join();
    offload(direct, [] {});
  });
}

TEST_F(pool_test, calls_that_wait_are_served_in_order) {
  ramie::offload_pool one({.threads = 1});
  ramie::run([&](scope& s) {
    for (int i = 0; i < 5; ++i) {
      s.spawn([&, i] { offload(one, [&, i] { say(std::to_string(i)); }); });
    }
  });
  EXPECT_EQ(said, (words{"0", "1", "2", "3", "4"}));
}

TEST_F(pool_test, a_thread_is_used_again_and_ends_when_it_has_had_nothing_to_do) {
  ramie::offload_pool brief({.threads = 4, .keep_idle = 2ms});
  std::set<std::thread::id> seen;
  ramie::run([&] {
    ramie::offload_pool lasting({.threads = 4});
    for (int i = 0; i < 20; ++i) seen.insert(offload(lasting, [] { return std::this_thread::get_id(); }));
    EXPECT_EQ(seen.size(), 1U);
    offload(brief, [] {});
    while (brief.statistics().threads != 0) ramie::this_task::sleep_for(1ms);
    EXPECT_EQ(offload(brief, [] { return 3; }), 3);
  });
}

TEST_F(pool_test, a_pool_ends_with_idle_threads_and_as_soon_as_its_last_call_returned) {
  for (int i = 0; i < 200; ++i) {
    ramie::offload_pool brief({.threads = 2});
    ramie::run([&](scope& s) {
      for (int k = 0; k < 4; ++k) s.spawn([&] { offload(brief, [] {}); });
    });
  }
}

TEST_F(pool_test, the_default_pool_is_bounded_and_serves_several_schedulers) {
  EXPECT_GE(ramie::default_offload_pool().options().threads, 16U);
  std::vector<std::thread> threads;
  std::atomic<int> sum = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ramie::run([&](scope& s) {
        for (int k = 0; k < 50; ++k) s.spawn([&] { sum += offload([] { return 1; }); });
      });
    });
  }
  for (auto& one : threads) one.join();
  EXPECT_EQ(sum, 200);
}

TEST_F(pool_test, nothing_on_a_pools_thread_is_a_task) {
  EXPECT_THROW(offload(pool, [] { ramie::with_scope([](scope&) {}); }), std::logic_error);
  // But it may run a scheduler of its own.
  EXPECT_EQ(offload(pool, [] { return ramie::run([] { return 2; }); }), 2);
}

// exit() while a call still runs.
TEST(pool_exit_test, a_process_exits_while_a_call_runs) {
#if defined(__SANITIZE_ADDRESS__)
  std::printf("skipped: exit() inside a task: what the task holds is a leak to LeakSanitizer\n");
  GTEST_SKIP();
#endif
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(ramie::run([] {
                ramie::with_scope([](scope& s) {
                  s.spawn([] { offload([] { std::this_thread::sleep_for(1h); }); });
                  while (ramie::default_offload_pool().statistics().running == 0) ramie::this_task::yield();
                  std::exit(5);
                });
              }),
              testing::ExitedWithCode(5), "");
}

}  // namespace
}  // namespace ramie_test
