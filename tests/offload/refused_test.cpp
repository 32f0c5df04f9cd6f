// Threads that the system does not start: the library's pthread_create() is the one below.
#include "offload/offload_world.hpp"

#include <pthread.h>

#include <cerrno>
#include <string>

namespace {
std::atomic<int> threads_left = 1000;
}

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
int __real_pthread_create(pthread_t* made, const pthread_attr_t* how, void* (*body)(void*), void* argument);
int __wrap_pthread_create(pthread_t* made, const pthread_attr_t* how, void* (*body)(void*), void* argument);
int __wrap_pthread_create(pthread_t* made, const pthread_attr_t* how, void* (*body)(void*), void* argument) {
  if (threads_left.fetch_sub(1) <= 0) return EAGAIN;
  return __real_pthread_create(made, how, body, argument);
}
// NOLINTEND(bugprone-reserved-identifier)
}

namespace ramie_test {
namespace {

using ramie::offload;
using ramie::scope;

class refused_test : public offload_world {
 protected:
  void SetUp() override {
    ramie::run([] {});  // the ticker
    threads_left = 1000;
  }
  void TearDown() override {
    threads_left = 1000;
    offload_world::TearDown();
  }
};

TEST_F(refused_test, without_any_thread_the_error_names_the_limits) {
  threads_left = 0;
  ramie::run([&] {
    try {
      offload(pool, [] {});
      ADD_FAILURE();
    } catch (const std::system_error& refused) {
      EXPECT_EQ(refused.code(), std::errc::resource_unavailable_try_again);
      const std::string text = refused.what();
      for (const char* part : {"'test'", "no thread", "kernel.threads-max", " of ", "has not run"}) {
        EXPECT_NE(text.find(part), std::string::npos) << text;
      }
    }
    EXPECT_EQ(pool.statistics().rejected, 1U);
    threads_left = 1;
    EXPECT_EQ(offload(pool, [] { return 2; }), 2);
  });
}

TEST_F(refused_test, with_one_thread_alive_it_goes_on_with_that) {
  ramie::offload_pool wide({.threads = 8});
  std::atomic<int> ran = 0;
  ramie::run([&](scope& s) {
    threads_left = 1;
    for (int i = 0; i < 30; ++i) {
      s.spawn([&] {
        offload(wide, [&] {
          std::this_thread::sleep_for(100us);
          ++ran;
        });
      });
    }
  });
  EXPECT_EQ(ran, 30);
  EXPECT_EQ(wide.statistics().threads, 1U);
  EXPECT_GE(wide.statistics().threads_refused, 1U);
  EXPECT_EQ(wide.statistics().rejected, 0U);
}

TEST_F(refused_test, without_a_thread_for_it_the_unblock_is_called_by_who_cancels) {
  ramie::run([&] {
    offload(pool, [] {});
    threads_left = 0;
    EXPECT_FALSE(ramie::try_for(2ms, [&] {
      offload(pool, [](const std::stop_token& stop) {
        std::atomic<int> calls = 0;
        ramie::unblock_callback wake(stop, [&] { ++calls; });
        while (calls == 0) std::this_thread::yield();
      });
      ramie::this_task::check();
    }));
  });
}

TEST_F(refused_test, a_scheduler_on_each_core_needs_all_threads_or_runs_nothing) {
  threads_left = 1;
  try {
    ramie::run_per_core(4, [&](unsigned) { say("ran"); });
    ADD_FAILURE();
  } catch (const std::system_error& refused) {
    EXPECT_EQ(refused.code(), std::errc::resource_unavailable_try_again);
    EXPECT_NE(std::string(refused.what()).find("core 2 of 4"), std::string::npos) << refused.what();
  }
  EXPECT_EQ(said, words{});
}

}  // namespace
}  // namespace ramie_test