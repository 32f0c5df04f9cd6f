// What each fiber has for itself: cases A39 to A41 and A48.
#include "cases/world.hpp"

#include <errno.h>
#include <execinfo.h>

#include <string>
#include <thread>
#include <vector>

namespace cases {
namespace {

class state_test : public clean_world {};

// A39
TEST_F(state_test, a_fiber_local_set_inside_leaves_the_outer_value_alone_across_switches) {
  ramie::fiber_local<std::string> value("outer");
  *value = "x";
  fiber one([&] {
    *value = "1";
    this_fiber::suspend();
    EXPECT_EQ(*value, "1");
  });
  fiber two([&] {
    EXPECT_EQ(*value, "x");
    *value = "2";
    this_fiber::suspend();
    EXPECT_EQ(*value, "2");
  });
  for (int i = 0; i < 2; ++i) {
    one.resume();
    EXPECT_EQ(*value, "x");
    two.resume();
    EXPECT_EQ(*value, "x");
  }
  value.reset();
}

// A39: dynamic scoping, as Ruby's test has it: x outside, 1 in the fiber, 3 in the fiber that it makes.
TEST_F(state_test, nested_fibers_see_x_then_1_then_3) {
  ramie::fiber_local<std::string> value("none");
  *value = "x";
  std::vector<std::string> seen;
  fiber outer([&] {
    *value = "1";
    seen.push_back(*value);
    fiber inner([&] {
      *value = "3";
      seen.push_back(*value);
      this_fiber::suspend();
      seen.push_back(*value);
    });
    inner.resume();
    seen.push_back(*value);
    inner.resume();
    this_fiber::suspend();
    seen.push_back(*value);
  });
  outer.resume();
  seen.push_back(*value);
  outer.resume();
  EXPECT_EQ(seen, (std::vector<std::string>{"1", "3", "1", "3", "x", "1"}));
  value.reset();
}

// A40
TEST_F(state_test, errno_does_not_leak_between_fibers) {
  fiber one([] {
    EXPECT_EQ(errno, 0);
    errno = 11;
    this_fiber::suspend();
    EXPECT_EQ(errno, 11);
  });
  fiber_ref root = this_fiber::ref();
  fiber two([&] {
    errno = 22;
    root.transfer();
    EXPECT_EQ(errno, 22);
    errno = 23;
  });
  errno = 33;
  one.resume();
  EXPECT_EQ(errno, 33);
  two.transfer();
  EXPECT_EQ(errno, 33);
  one.resume();
  EXPECT_EQ(errno, 33);
  two.transfer();
  EXPECT_EQ(errno, 33);
  errno = 0;
}

// A40
TEST_F(state_test, the_count_of_uncaught_exceptions_is_the_fibers_own) {
  int inside = -1, in_new_fiber = -1, after = -1;
  struct resumes_another {
    int *inside, *in_new_fiber, *after;
    ~resumes_another() {
      *inside = std::uncaught_exceptions();
      fiber f([this] {
        *in_new_fiber = std::uncaught_exceptions();
        this_fiber::suspend();
      });
      f.resume();
      *after = std::uncaught_exceptions();
    }
  };
  fiber f([&] {
    try {
      resumes_another r{&inside, &in_new_fiber, &after};
      throw 1;
    } catch (int) {
    }
  });
  f.resume();
  EXPECT_EQ(inside, 1);
  EXPECT_EQ(in_new_fiber, 0);
  EXPECT_EQ(after, 1);
}

// A41: inherited by copy; a reset deletes; no API reaches a foreign fiber's value, and keys are objects, so wrong keys
// do not compile. Another thread begins with the initial value: unlike Ruby's, threads inherit nothing.
TEST_F(state_test, a_child_inherits_a_copy_and_its_writes_stay_its_own) {
  ramie::fiber_local<int> value(7);
  EXPECT_EQ(*value, 7);
  *value = 8;
  fiber child([&] {
    EXPECT_EQ(*value, 8) << "as it was when the fiber was made";
    *value = 9;
    value.reset();
    EXPECT_EQ(*value, 7);
  });
  *value = 10;
  child.resume();
  EXPECT_EQ(*value, 10);
  std::thread([&] {
    EXPECT_EQ(*value, 7);
    fiber there([&] { EXPECT_EQ(*value, 7); });
    there.resume();
  }).join();
  value.reset();
}

// A41
TEST_F(state_test, a_value_is_copied_once_for_a_child_and_destroyed_at_its_end) {
  static int living;
  living = 0;
  struct counted {
    counted() { ++living; }
    counted(const counted&) { ++living; }
    counted& operator=(const counted&) = default;
    ~counted() { --living; }
  };
  {
    ramie::fiber_local<counted> value;
    EXPECT_EQ(living, 1);
    static_cast<void>(*value);
    EXPECT_EQ(living, 2);
    {
      fiber never_started([] {});
      EXPECT_EQ(living, 3);
      fiber suspended([] { this_fiber::suspend(); });
      suspended.resume();
      fiber ended([] {});
      ended.resume();
      EXPECT_EQ(living, 4);
    }
    EXPECT_EQ(living, 2);
    value.reset();
    EXPECT_EQ(living, 1);
  }
  EXPECT_EQ(living, 0);
}

TEST_F(state_test, a_value_whose_copy_throws_makes_no_fiber_and_costs_nothing) {
  struct refuses {
    bool armed = false;
    refuses() = default;
    refuses(const refuses& other) : armed(other.armed) {
      if (armed) throw std::runtime_error("no copies");
    }
    refuses& operator=(const refuses&) = default;
  };
  ramie::fiber_local<refuses> value;
  ramie::fiber_local<std::string> other("a text that is long enough to be allocated on the heap");
  static_cast<void>(*other);
  (*value).armed = true;
  EXPECT_THROW(fiber([] {}), std::runtime_error);
  EXPECT_THROW(fiber([] {}), std::runtime_error);
  value.reset();
  fiber works([] {});
  EXPECT_FALSE(works.resume());
  other.reset();
}

[[gnu::noinline]] int frames_here(void** frames, int most) { return backtrace(frames, most); }

// A48: the frames of a fiber end at its first one, whoever resumed it.
TEST_F(state_test, a_backtrace_taken_inside_shows_the_fibers_own_frames_and_ends_there) {
  if (sanitized) GTEST_SKIP() << "sanitizers replace backtrace()";
  constexpr int most = 200;
  void* frames[most];
  int depth_of_one = 0, depth_of_recursive = 0, depth_at_root = frames_here(frames, most);
  EXPECT_GT(depth_at_root, 5);
  fiber one([&] { depth_of_one = frames_here(frames, most); });
  one.resume();
  EXPECT_GT(depth_of_one, 1);
  EXPECT_LT(depth_of_one, depth_at_root);
  struct recursion {
    [[gnu::noinline]] static void go(int depth, int& result, void** place) {
      if (depth > 0) {
        void (*volatile next)(int, int&, void**) = &go;  // a call that is neither inlined nor a loop
        next(depth - 1, result, place);
        asm volatile("" : : : "memory");
      } else {
        result = frames_here(place, most);
      }
    }
  };
  fiber recursive([&] {
    recursion::go(20, depth_of_recursive, frames);
    this_fiber::suspend();
  });
  recursive.resume();
  EXPECT_GE(depth_of_recursive, 20);
  EXPECT_LT(depth_of_recursive, depth_of_one + 30);
}

// A48
TEST_F(state_test, a_fiber_shows_its_stack_only_while_it_has_one) {
  fiber f([] {
    char deep[2000];
    asm volatile("" : : "r"(deep) : "memory");
    this_fiber::suspend();
    asm volatile("" : : "r"(deep) : "memory");
  });
  EXPECT_EQ(f.stack().low, 0u);
  EXPECT_EQ(f.stack().usable_bytes, 0u);
  EXPECT_EQ(f.stack().in_use_bytes, 0u);
  f.resume();
  const ramie::stack_info info = f.stack();
  EXPECT_NE(info.guard, ramie::guard::automatic);
  EXPECT_NE(info.guard, ramie::guard::none);
  EXPECT_GE(info.usable_bytes, 60u << 10);
  EXPECT_GE(info.guard_bytes, 4096u);
  EXPECT_GE(info.in_use_bytes, 2000u);
  EXPECT_LE(info.in_use_bytes, info.usable_bytes);
  EXPECT_GE(info.most_used_bytes, 4096u);
  EXPECT_LT(info.low, info.high);
  EXPECT_LE(info.usable_bytes, info.high - info.low);
  f.resume();
  EXPECT_EQ(f.stack().low, 0u);
  EXPECT_EQ(f.stack().in_use_bytes, 0u);
}

TEST_F(state_test, the_state_is_told_in_every_state) {
  fiber_ref root = this_fiber::ref();
  EXPECT_EQ(root.state(), fiber_state::running);
  EXPECT_EQ(fiber().state(), fiber_state::terminated);
  EXPECT_EQ(fiber_ref().state(), fiber_state::terminated);
  fiber f([&] {
    EXPECT_EQ(root.state(), fiber_state::resuming);
    this_fiber::suspend();
  });
  EXPECT_EQ(f.state(), fiber_state::created);
  f.resume();
  EXPECT_EQ(f.state(), fiber_state::suspended);
  fiber g([&] {
    EXPECT_EQ(root.state(), fiber_state::transferred);
    root.transfer();
  });
  g.transfer();
  EXPECT_EQ(g.state(), fiber_state::transferred);
  g.transfer();
  EXPECT_EQ(g.state(), fiber_state::terminated);
  f.kill();
  EXPECT_EQ(f.state(), fiber_state::terminated);
  EXPECT_STREQ(name_of(fiber_state::left_behind), "left behind");
}

TEST_F(state_test, a_fiber_suspended_in_a_catch_block_or_a_destructor_is_suspended_too) {
  fiber in_catch([] {
    try {
      throw 1;
    } catch (int) {
      this_fiber::suspend();
    }
  });
  struct suspends {
    ~suspends() { this_fiber::suspend(); }
  };
  fiber_ref root = this_fiber::ref();
  fiber across([&] {
    try {
      throw 1;
    } catch (int) {
      root.transfer();
    }
  });
  fiber in_destructor([] {
    try {
      suspends s;
      throw 1;
    } catch (int) {
    }
  });
  in_catch.resume();
  in_destructor.resume();
  across.transfer();
  EXPECT_EQ(in_catch.state(), fiber_state::suspended);
  EXPECT_EQ(in_destructor.state(), fiber_state::suspended);
  EXPECT_EQ(across.state(), fiber_state::transferred);
  for (const fiber* f : {&in_catch, &in_destructor, &across}) {
    EXPECT_GT(f->stack().in_use_bytes, 0u);
    EXPECT_LT(f->stack().in_use_bytes, f->stack().usable_bytes);
  }
  expect_refusal(fiber_errc::awaits_resume, [&] { in_catch.transfer(); });
  expect_refusal(fiber_errc::transferred_away, [&] { across.resume(); });
}

}  // namespace
}  // namespace cases
