// ramie::boost_stack in each of Boost's four uses of a StackAllocator, as a program that knows only Boost has them.
#include <ramie/boost_stack.hpp>
#include <ramie/error.hpp>

#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/context/fiber.hpp>
#include <boost/coroutine2/all.hpp>
#include <boost/fiber/all.hpp>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace ramie {
namespace {

namespace bc = boost::context;

class boost_test : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(count_stacks().in_use, in_use_before_) << "a stack was not given back"; }

 private:
  std::uint64_t in_use_before_ = count_stacks().in_use;
};

std::size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

// Here a kernel, or RAMIE_GUARD, leaves only guards that take two mappings each.
bool guards_take_mappings() {
  if (count_stacks().guard != guard::mprotect) return false;
  std::printf("skipped: many guarded stacks in few mappings: only mprotect guards work here\n");
  return true;
}

// Recurses until the guard is met, and says where it is by its name.
[[gnu::noinline]] int dig(int depth) {
  volatile char room[512];
  room[0] = static_cast<char>(depth);
  return depth < 1'000'000 ? dig(depth + 1) + room[0] : 0;
}

TEST_F(boost_test, context_fiber_runs_on_it_and_gives_it_back) {
  int steps = 0;
  bc::fiber f(std::allocator_arg, boost_stack(16 << 10, "steps"), [&](bc::fiber&& from) {
    ++steps;
    from = std::move(from).resume();
    ++steps;
    return std::move(from);
  });
  f = std::move(f).resume();
  EXPECT_EQ(steps, 1);
  f = std::move(f).resume();
  EXPECT_EQ(steps, 2);
  EXPECT_FALSE(f);
}

TEST_F(boost_test, context_fiber_that_is_dropped_is_unwound_and_its_stack_given_back) {
  bool unwound = false;
  struct at_end {
    bool& told;
    ~at_end() { told = true; }
  };
  {
    bc::fiber f(std::allocator_arg, boost_stack(), [&](bc::fiber&& from) {
      at_end here{unwound};
      return std::move(from).resume();
    });
    f = std::move(f).resume();
  }
  EXPECT_TRUE(unwound);
}

TEST_F(boost_test, fibers_fiber_runs_on_it) {
  int sum = 0;
  std::vector<boost::fibers::fiber> all;
  for (int i = 0; i < 100; ++i) {
    all.emplace_back(std::allocator_arg, boost_stack(0, "adder"), [&sum, i] {
      boost::this_fiber::yield();
      sum += i;
    });
  }
  for (auto& one : all) one.join();
  EXPECT_EQ(sum, 4950);
  all.clear();
  boost::this_fiber::yield();  // the scheduler gives ended fibers' stacks back when it runs
}

TEST_F(boost_test, coroutines2_runs_on_it) {
  boost::coroutines2::coroutine<int>::pull_type numbers(boost_stack(0, "numbers"), [](auto& yield) {
    for (int i = 1; i <= 4; ++i) yield(i);
  });
  int sum = 0;
  for (int number : numbers) sum += number;
  EXPECT_EQ(sum, 10);
}

TEST_F(boost_test, asio_spawn_runs_on_it_and_threads_may_take_turns) {
  boost::asio::io_context context;
  std::atomic<int> done{0};
  for (int i = 0; i < 50; ++i) {
    boost::asio::spawn(
        context, std::allocator_arg, boost_stack(0, "session"),
        [&](boost::asio::yield_context yield) {
          boost::asio::steady_timer timer(context, std::chrono::milliseconds(1));
          for (int turn = 0; turn < 3; ++turn) {
            timer.expires_after(std::chrono::microseconds(100));
            timer.async_wait(yield);
          }
          ++done;
        },
        boost::asio::detached);
  }
  std::thread other([&] { context.run(); });
  context.run();
  other.join();
  EXPECT_EQ(done, 50);
}

TEST_F(boost_test, a_size_that_is_not_offered_is_refused_in_words) {
  EXPECT_THROW(boost_stack(std::size_t{1} << 30), stack_error);
}

TEST_F(boost_test, an_exception_passes_through_its_frames) {
  EXPECT_THROW(
      boost::coroutines2::coroutine<int>::pull_type(boost_stack(), [](auto&) { throw std::runtime_error("out"); }),
      std::runtime_error);
}

// What each of the four prints when its code overflows: the stack's name, the place, the size to ask for.
#define RAMIE_REPORT                                                                                                \
  "stack overflow in a stack of boost_stack 'deep'(.|\n)*stack_bytes = [0-9]+ << 10(.|\n)*more frames of the same " \
  "function"
using boost_death_test = boost_test;
TEST_F(boost_death_test, an_overflow_in_context_fiber_is_reported) {
  EXPECT_DEATH(bc::fiber(std::allocator_arg, boost_stack(16 << 10, "deep"),
                         [](bc::fiber&& from) {
                           dig(0);
                           return std::move(from);
                         })
                   .resume(),
               RAMIE_REPORT);
}
TEST_F(boost_death_test, an_overflow_in_fibers_fiber_is_reported) {
  EXPECT_DEATH(boost::fibers::fiber(std::allocator_arg, boost_stack(16 << 10, "deep"), [] { dig(0); }).join(),
               RAMIE_REPORT);
}
TEST_F(boost_death_test, an_overflow_in_coroutines2_is_reported) {
  EXPECT_DEATH(boost::coroutines2::coroutine<int>::pull_type(boost_stack(16 << 10, "deep"), [](auto&) { dig(0); }),
               RAMIE_REPORT);
}
TEST_F(boost_death_test, an_overflow_in_asio_spawn_is_reported) {
  EXPECT_DEATH(
      {
        boost::asio::io_context context;
        boost::asio::spawn(
            context, std::allocator_arg, boost_stack(16 << 10, "deep"), [](boost::asio::yield_context) { dig(0); },
            boost::asio::detached);
        context.run();
      },
      RAMIE_REPORT);
}

// Parks `count` fibers of Boost, each on its own guarded stack; how many mappings the process has then.
std::size_t mappings_with(std::size_t count) {
  std::vector<bc::fiber> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(bc::fiber(std::allocator_arg, boost_stack(16 << 10, "million"), [](bc::fiber&& from) {
                    return std::move(from).resume();
                  }).resume());
  }
  const std::size_t mappings = count_mappings();
  EXPECT_NE(count_stacks().guard, guard::none);
  return mappings;
}

TEST_F(boost_test, fifty_thousand_context_fibers_live_in_fewer_than_a_hundred_mappings) {
  if (guards_take_mappings()) GTEST_SKIP();
  EXPECT_LT(mappings_with(50000), 100U);
}

TEST_F(boost_test, DISABLED_a_million_context_fibers_live_in_fewer_than_a_hundred_mappings) {
  if (guards_take_mappings()) GTEST_SKIP();
  const std::size_t mappings = mappings_with(1000000);
  std::printf("a million boost::context::fiber, each guarded (%s): %zu mappings\n", name_of(count_stacks().guard),
              mappings);
  EXPECT_LT(mappings, 100U);
}

}  // namespace
}  // namespace ramie
