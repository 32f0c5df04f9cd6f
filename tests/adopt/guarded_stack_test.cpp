// Stacks on loan, without Boost: their life, their guards, and what is said of misuse.
#include <ramie/error.hpp>
#include <ramie/fiber.hpp>
#include <ramie/guarded_stack.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace ramie {
namespace {

class guarded_stack_test : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(count_stacks().in_use, in_use_before_) << "a stack was not given back"; }

 private:
  std::uint64_t in_use_before_ = count_stacks().in_use;
};

TEST_F(guarded_stack_test, a_stack_is_usable_from_its_top_down_to_its_guard) {
  const stack_source stacks({.stack_bytes = 32 << 10, .name = "whole"});
  const guarded_stack one = stacks.acquire();
  EXPECT_GE(one.usable_bytes, std::size_t{31} << 10);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(one.top) % 16, 0U);
  volatile char* low = static_cast<char*>(one.low());
  for (std::size_t at = 0; at < one.usable_bytes; ++at) low[at] = 1;
  const stack_info about = stack_source::info(one);
  EXPECT_NE(about.guard, guard::none);
  EXPECT_GE(about.most_used_bytes, std::size_t{31} << 10);
  EXPECT_EQ(about.low, reinterpret_cast<std::uintptr_t>(one.low()));
  // The kernel is asked to write below it: a guard answers EFAULT.
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  EXPECT_EQ(read(ends[0], static_cast<char*>(one.low()) - 1, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  close(ends[0]);
  close(ends[1]);
  stacks.release(one);
}

TEST_F(guarded_stack_test, the_stack_released_last_is_lent_next_and_neighbours_differ) {
  const stack_source stacks;
  const guarded_stack first = stacks.acquire(), second = stacks.acquire();
  EXPECT_NE(first.top, second.top);
  stacks.release(second);
  const guarded_stack again = stacks.acquire();
  EXPECT_EQ(again.top, second.top);
  stacks.release(again);
  stacks.release(first);
}

TEST_F(guarded_stack_test, fibers_and_borrowers_share_one_pool) {
  std::uintptr_t low = 0;
  std::thread([&] {
    const stack_source stacks;
    const guarded_stack lent = stacks.acquire();
    low = stack_source::info(lent).low;
    stacks.release(lent);
  }).join();
  const std::uint64_t opened = count_stacks().opened;
  std::vector<fiber> fibers;
  bool met = false;
  while (!met && count_stacks().opened == opened) {
    fibers.emplace_back([] { this_fiber::suspend(); });
    fibers.back().resume();
    met = fibers.back().stack().low == low;
  }
  EXPECT_TRUE(met) << "what a borrower released, a fiber gets before the system is asked";
}

TEST_F(guarded_stack_test, sources_of_two_sizes_and_names_do_not_mix) {
  const stack_source small({.stack_bytes = 16 << 10, .name = "small"}), large({.stack_bytes = 256 << 10});
  for (int i = 0; i < 100; ++i) {
    const guarded_stack a = small.acquire(), b = large.acquire();
    EXPECT_LT(a.usable_bytes, std::size_t{17} << 10);
    EXPECT_GT(b.usable_bytes, std::size_t{254} << 10);
    (i % 2 == 0 ? small : large).release(a);  // any source takes any stack
    large.release(b);
  }
}

TEST_F(guarded_stack_test, a_stack_may_be_released_by_a_thread_that_knows_no_fibers) {
  const stack_source stacks({.name = "crossing"});
  std::vector<guarded_stack> all;
  for (int i = 0; i < 600; ++i) all.push_back(stacks.acquire());
  std::thread([&] {
    for (const guarded_stack& one : all) stacks.release(one);
  }).join();
  const std::uint64_t opened = count_stacks().opened;
  std::vector<guarded_stack> anew;
  for (int i = 0; i < 600; ++i) anew.push_back(stacks.acquire());
  EXPECT_EQ(count_stacks().opened, opened) << "what the other thread held came back at its end";
  for (const guarded_stack& one : anew) stacks.release(one);
}

TEST_F(guarded_stack_test, a_size_that_is_not_offered_is_refused_when_the_source_is_made) {
  try {
    const stack_source stacks({.stack_bytes = std::size_t{1} << 30});
    FAIL() << "no refusal";
  } catch (const stack_error& refused) {
    EXPECT_EQ(refused.limit(), stack_limit::size);
  }
}

TEST(guarded_stack_death_test, releasing_twice_is_named) {
  const stack_source stacks;
  const guarded_stack one = stacks.acquire();
  stacks.release(one);
  EXPECT_DEATH(stacks.release(one), "no such stack is on loan|use-after-poison");
}

}  // namespace
}  // namespace ramie
