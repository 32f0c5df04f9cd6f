// Stacks, one at a time and in small numbers: cases B05 to B13.
#include "cases/world.hpp"

#include <fenv.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace cases {
namespace {

class stack_test : public clean_world {};
using stack_death_test = stack_test;

constexpr std::size_t kib = 1024, mib = 1024 * kib;

// Touches about `bytes` of stack, writing `value`, and returns what it finds there.
[[gnu::noinline]] int fill_stack(std::size_t bytes, unsigned char value) {
  auto* place = static_cast<volatile unsigned char*>(__builtin_alloca(bytes));
  for (std::size_t i = 0; i < bytes; ++i) place[i] = value;
  int sum = 0;
  for (std::size_t i = 0; i < bytes; ++i) sum += place[i] == value ? 0 : 1;
  return sum;
}

// B05
TEST_F(stack_test, fibers_that_are_dropped_at_once_reuse_a_few_stacks) {
  fiber([] {}).resume();
  const auto opened = ramie::count_stacks().opened;
  for (int i = 0; i < 256; ++i) {
    fiber f([] { this_fiber::suspend(); });
    EXPECT_TRUE(f.resume());
  }
  EXPECT_LE(ramie::count_stacks().opened, std::max<std::uint64_t>(opened, 128));
  EXPECT_GE(ramie::count_stacks().acquired, 256u);
}

// B05
TEST_F(stack_test, two_waves_of_fibers_use_the_same_stacks) {
  const auto wave = [] {
    std::vector<fiber> fibers;
    for (int i = 0; i < many(1000); ++i) {
      fibers.emplace_back([] { this_fiber::suspend(); });
      fibers.back().resume();
    }
  };
  wave();
  const auto opened = ramie::count_stacks().opened;
  for (int i = 0; i < 5; ++i) wave();
  EXPECT_EQ(ramie::count_stacks().opened, opened);
}

// B07: the external iterator of a thread that has ended.
TEST_F(stack_test, a_coroutine_looked_into_by_a_thread_that_ended_is_destroyed_elsewhere) {
  std::string log;
  auto c = std::make_unique<coroutine<int()>>([&](auto& yield) {
    mark m(log, 'm');
    yield(1);
    return 2;
  });
  std::thread([&] { EXPECT_EQ(c->resume(), 1); }).join();
  EXPECT_EQ(log, "m");
  EXPECT_TRUE(c->done());
  std::thread([&] { c.reset(); }).join();
  fiber([] {}).resume();
}

// B08 without a collector: two generators zipped while the heap and other fibers churn.
TEST_F(stack_test, two_coroutines_zipped_under_allocation_keep_their_values) {
  auto words = [](char letter) {
    return coroutine<std::string()>([letter](auto& yield) {
      for (std::size_t i = 1; i < 200; ++i) yield(std::string(i, letter));
      return std::string(200, letter);
    });
  };
  auto a = words('a'), b = words('b');
  for (std::size_t i = 1; i <= 200; ++i) {
    std::string left = a.resume();
    std::vector<std::unique_ptr<char[]>> churn;
    for (std::size_t k = 0; k < 20; ++k) churn.push_back(std::make_unique<char[]>(k * 100 + i));
    fiber noise([&] { this_fiber::suspend(); });
    noise.resume();
    std::string right = b.resume();
    ASSERT_EQ(left, std::string(i, 'a'));
    ASSERT_EQ(right, std::string(i, 'b'));
  }
  EXPECT_TRUE(a.done());
  EXPECT_TRUE(b.done());
}

[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? frame[0] : recurse(depth - 1) + frame[0];
}

// B10: the signal and the report. The neighbour's bytes are compared in the child before the fault, and the guard
// between them is what the signal proves.
TEST_F(stack_death_test, an_overflow_is_reported_with_the_fiber_and_the_cure) {
  if (sanitized) GTEST_SKIP() << "sanitizers report overflows themselves";
  EXPECT_DEATH(
      {
        fiber f([] { recurse(1'000'000); }, {.stack_bytes = 32 << 10, .name = "deep"});
        f.resume();
      },
      "stack overflow in fiber 'deep'.*\n.*stack_bytes");
}

// B10: everything that a stack promises can be used without touching its neighbours.
TEST_F(stack_test, neighbours_that_use_all_of_their_stacks_do_not_touch_each_other) {
  std::vector<fiber> fibers;
  std::vector<int> wrong(32);
  for (int i = 0; i < 32; ++i) {
    fibers.emplace_back(
        [&wrong, i] {
          const auto value = static_cast<unsigned char>(i + 1);
          constexpr std::size_t most = 24 * kib;
          auto* place = static_cast<volatile unsigned char*>(__builtin_alloca(most));
          for (std::size_t k = 0; k < most; ++k) place[k] = value;
          this_fiber::suspend();
          for (std::size_t k = 0; k < most; ++k) wrong[static_cast<std::size_t>(i)] += place[k] == value ? 0 : 1;
        },
        fiber_options{.stack_bytes = 32 * kib});
  }
  for (auto& f : fibers) f.resume();
  for (auto& f : fibers) EXPECT_FALSE(f.resume());
  for (int n : wrong) EXPECT_EQ(n, 0);
}

// B12: whatever a fiber leaves on its stack, the free lists stay whole.
TEST_F(stack_test, stacks_handed_back_full_of_poison_ten_thousand_times_stay_distinct) {
  constexpr std::size_t count = 8;
  const int rounds = sanitized ? 100 : 10'000 / static_cast<int>(count);
  for (int round = 0; round < rounds; ++round) {
    std::vector<fiber> fibers;
    std::set<std::uintptr_t> lows;
    for (std::size_t i = 0; i < count; ++i) {
      fibers.emplace_back([round] {
        EXPECT_EQ(fill_stack(48 * kib, static_cast<unsigned char>(round)), 0);
        this_fiber::suspend();
      });
      fibers.back().resume();
      lows.insert(fibers.back().stack().low);
    }
    ASSERT_EQ(lows.size(), count);
    if (round % 2 == 0) std::reverse(fibers.begin(), fibers.end());
  }
}

// B13: documented: the rounding mode belongs to the thread, a fiber that changes it changes it for all.
TEST_F(stack_test, a_rounding_mode_set_in_a_fiber_is_the_threads) {
#if defined(RAMIE_SWITCH_UCONTEXT)
  GTEST_SKIP() << "swapcontext switches control words; context.state asserts that";
#endif
  const int before = fegetround();
  fiber f([] {
    fesetround(FE_UPWARD);
    this_fiber::suspend();
    EXPECT_EQ(fegetround(), FE_DOWNWARD);
  });
  f.resume();
  EXPECT_EQ(fegetround(), FE_UPWARD);
  fesetround(FE_DOWNWARD);
  f.resume();
  fesetround(before);
}

TEST_F(stack_test, every_size_from_one_byte_to_the_most_gives_at_least_what_was_asked) {
  const std::size_t sizes[] = {1,        100,      4 * kib,   4 * kib + 1, 16 * kib, 61 * kib,
                               64 * kib, 65 * kib, 256 * kib, mib,         8 * mib,  128 * mib};
  for (std::size_t asked : sizes) {
    if (sanitized && asked < 16 * kib) continue;  // their frames need more
    if (under_tsan && asked > 8 * mib) continue;
    int wrong = -1;
    fiber f(
        [&wrong, asked] {
          // All but what the first frames and this one take.
          wrong = asked >= 16 * kib ? fill_stack(std::min(asked, 8 * mib) - 6 * kib - (sanitized ? 8 * kib : 0), 7) : 0;
          this_fiber::suspend();
        },
        {.stack_bytes = asked});
    ASSERT_TRUE(f.resume()) << asked;
    EXPECT_EQ(wrong, 0) << asked;
    const ramie::stack_info info = f.stack();
    EXPECT_GE(info.usable_bytes + kib, asked) << "up to 960 bytes of the top go to its colour";
    EXPECT_LE(info.usable_bytes, asked + asked / 4 + 192 * kib) << asked;
    EXPECT_GE(info.guard_bytes, 4096u);
    EXPECT_LE(info.in_use_bytes, info.usable_bytes);
    EXPECT_GT(info.most_used_bytes, 0u);
    EXPECT_LE(info.most_used_bytes, info.usable_bytes + 4096);
    if (asked >= (sanitized ? 64 : 16) * kib) {
      EXPECT_GE(info.most_used_bytes, std::min(asked, 8 * mib) / 2) << asked;
    }
  }
}

TEST_F(stack_test, small_stacks_can_be_unwound_killed_and_thrown_from) {
  if (sanitized) GTEST_SKIP() << "sanitizers need larger frames";
  for (std::size_t asked : {std::size_t{16 * kib}, std::size_t{8 * kib}}) {
    std::string log;
    {
      fiber f(
          [&] {
            mark m(log, 'm');
            this_fiber::suspend();
          },
          {.stack_bytes = asked});
      f.resume();
    }
    EXPECT_EQ(log, "m");
    fiber thrower([] { throw std::runtime_error("x"); }, {.stack_bytes = asked});
    EXPECT_THROW(thrower.resume(), std::runtime_error);
  }
}

TEST_F(stack_test, a_size_beyond_the_most_is_refused_when_the_fiber_is_made) {
  for (std::size_t asked : {128 * mib + 1, 256 * mib, std::size_t{1} << 40, ~std::size_t{0}}) {
    try {
      fiber f([] {}, {.stack_bytes = asked});
      ADD_FAILURE() << asked;
    } catch (const ramie::stack_error& error) {
      EXPECT_EQ(error.limit(), ramie::stack_limit::size);
      EXPECT_EQ(error.code(), std::errc::invalid_argument);
      EXPECT_EQ(error.allowed(), 128 * mib);
      EXPECT_NE(std::string(error.what()).find(error.cure()), std::string::npos);
      EXPECT_FALSE(error.cure().empty());
    }
  }
  fiber still_works([] {});
  EXPECT_FALSE(still_works.resume());
}

TEST_F(stack_test, a_stack_without_a_guard_is_given_to_those_who_ask) {
  fiber f([] { this_fiber::suspend(); }, {.guard = ramie::guard::none});
  f.resume();
  EXPECT_EQ(f.stack().guard, ramie::guard::none);
  EXPECT_EQ(f.stack().guard_bytes, 0u);
  fiber g([] { this_fiber::suspend(); });
  g.resume();
  EXPECT_NE(g.stack().guard, ramie::guard::none);
  EXPECT_NE(g.stack().low, f.stack().low);
}

TEST_F(stack_test, a_guard_asked_for_by_name_is_given_or_refused_with_a_reason) {
  for (auto kind : {ramie::guard::region, ramie::guard::poison, ramie::guard::wp, ramie::guard::wp_populated,
                    ramie::guard::mprotect}) {
    fiber f([] { this_fiber::suspend(); }, {.guard = kind});
    try {
      EXPECT_TRUE(f.resume());
      EXPECT_EQ(f.stack().guard, kind);
      EXPECT_FALSE(f.resume());
    } catch (const ramie::stack_error& error) {
      std::printf("skipped: guard %s: %s\n", name_of(kind), error.what());
      EXPECT_EQ(error.limit(), ramie::stack_limit::guard);
      EXPECT_EQ(f.state(), fiber_state::created) << "nothing has changed";
    }
  }
}

// The first resume takes the stack; a refusal leaves the fiber as it was, and it works once there is room.
TEST_F(stack_test, a_first_resume_that_finds_no_stack_leaves_the_fiber_to_be_resumed_later) {
  if (sanitized) GTEST_SKIP() << "sanitizers need the address space";
  // A class of its own, so that no free stack of it exists; more than the limit allows.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  bool ran = false;
  fiber f([&] { ran = true; }, {.stack_bytes = 100 * mib});
  rlimit tight = before;
  tight.rlim_cur = 1 * mib;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  bool refused = false;
  ramie::stack_limit limit{};
  try {
    f.resume();
  } catch (const ramie::stack_error& error) {
    refused = true;
    limit = error.limit();
  }
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_TRUE(refused);
  EXPECT_EQ(limit, ramie::stack_limit::address_space);
  EXPECT_EQ(f.state(), fiber_state::created);
  EXPECT_FALSE(ran);
  EXPECT_FALSE(f.resume());
  EXPECT_TRUE(ran);
}

TEST_F(stack_test, the_smallest_stack_can_be_unwound_and_thrown_from) {
  for (int i = 0; i < 2; ++i) {
    fiber f([] { this_fiber::suspend(); }, {.stack_bytes = 1});
    f.resume();
    f.kill();
    fiber thrower([] { throw std::runtime_error("x"); }, {.stack_bytes = 1});
    EXPECT_THROW(thrower.resume(), std::runtime_error);
  }
}

}  // namespace
}  // namespace cases
