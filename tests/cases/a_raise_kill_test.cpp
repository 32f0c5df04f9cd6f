// Exceptions from outside and forced ends: cases A15 to A21 and A32 to A37.
#include "cases/world.hpp"

#include <pthread.h>

#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace cases {
namespace {

class raise_test : public clean_world {};
class kill_test : public clean_world {};

// A15
TEST_F(raise_test, an_exception_handled_inside_leaks_neither_out_nor_into_other_fibers) {
  coroutine<std::string()> c([](auto& yield) -> std::string {
    try {
      throw std::runtime_error("inside");
    } catch (const std::exception&) {
      yield("first");
      EXPECT_NE(std::current_exception(), nullptr);
    }
    EXPECT_EQ(std::current_exception(), nullptr);
    yield("second");
    return "end";
  });
  EXPECT_EQ(c.resume(), "first");
  EXPECT_EQ(std::current_exception(), nullptr);
  fiber other([] { EXPECT_EQ(std::current_exception(), nullptr); });
  other.resume();
  EXPECT_EQ(c.resume(), "second");
  EXPECT_EQ(std::current_exception(), nullptr);
  EXPECT_EQ(c.resume(), "end");
}

// A16
TEST_F(raise_test, raise_returns_what_the_fiber_yields_after_it_handled_the_exception) {
  coroutine<std::string()> c([](auto& yield) -> std::string {
    try {
      yield("waiting");
    } catch (const std::runtime_error&) {
      yield("ok");
    }
    return "end";
  });
  EXPECT_EQ(c.resume(), "waiting");
  EXPECT_EQ(c.raise(make_error<std::runtime_error>("x")), "ok");
  EXPECT_EQ(c.resume(), "end");
}

// A16
TEST_F(raise_test, raise_returns_false_when_the_fiber_handles_it_and_ends) {
  fiber f([] {
    try {
      this_fiber::suspend();
    } catch (const std::runtime_error&) {
    }
  });
  f.resume();
  EXPECT_FALSE(f.raise(make_error<std::runtime_error>("x")));
  EXPECT_TRUE(f.done());
}

// A17
TEST_F(raise_test, raise_is_refused_before_the_start_and_after_the_end) {
  fiber f([] {});
  expect_refusal(fiber_errc::not_started, [&] { f.raise(make_error<int>(1)); });
  EXPECT_EQ(f.state(), fiber_state::created);
  EXPECT_FALSE(f.resume());
  expect_refusal(fiber_errc::terminated, [&] { f.raise(make_error<int>(1)); });
  EXPECT_THROW(f.raise(nullptr), std::invalid_argument);
}

// A17
TEST_F(raise_test, raise_on_itself_is_a_plain_throw) {
  std::string log;
  fiber f([&] {
    mark m(log, 'm');
    try {
      this_fiber::ref().raise(make_error<int>(1));
    } catch (int) {
      log += 'c';
    }
    this_fiber::ref().raise(make_error<std::runtime_error>("out"));
  });
  EXPECT_THROW(f.resume(), std::runtime_error);
  EXPECT_EQ(log, "cm");
  EXPECT_THROW(this_fiber::ref().raise(make_error<int>(2)), int);
}

TEST_F(raise_test, what_the_fiber_does_not_handle_comes_back_to_who_raised_it_as_the_same_object) {
  std::exception_ptr sent = make_error<std::runtime_error>("through");
  fiber f([] { this_fiber::suspend(); });
  f.resume();
  try {
    f.raise(sent);
    ADD_FAILURE();
  } catch (const std::runtime_error&) {
    EXPECT_EQ(std::current_exception(), sent);
  }
  EXPECT_TRUE(f.done());
}

// A18
TEST_F(raise_test, control_is_back_in_the_raiser_after_raise) {
  std::string log;
  fiber one([&] {
    try {
      this_fiber::suspend();
    } catch (const std::runtime_error&) {
      log += "rescued,";
    }
  });
  fiber two([&] {
    one.resume();
    log += "suspended,";
    one.raise(make_error<std::runtime_error>("x"));
    log += "back";
  });
  EXPECT_FALSE(two.resume());
  EXPECT_EQ(log, "suspended,rescued,back");
}

// A20
TEST_F(raise_test, raise_on_the_parent_that_resumes_it_is_a_throw_in_the_child) {
  std::string log;
  fiber parent;
  fiber child([&] {
    mark m(log, 'c');
    parent.raise(make_error<std::runtime_error>("up"));
    log += '!';
  });
  parent = fiber([&] {
    mark m(log, 'p');
    child.resume();
    log += '!';
  });
  EXPECT_THROW(parent.resume(), std::runtime_error);
  EXPECT_EQ(log, "cp");
  EXPECT_TRUE(child.done());
  EXPECT_TRUE(parent.done());
}

// A21
TEST_F(raise_test, raise_in_a_transferred_fiber_transfers_and_what_escapes_reaches_the_raiser) {
  fiber_ref root = this_fiber::ref();
  fiber f([&] { root.transfer(); });
  f.transfer();
  EXPECT_THROW(f.raise(make_error<std::runtime_error>("x")), std::runtime_error);
  EXPECT_TRUE(f.done());

  bool handled = false;
  fiber g([&] {
    try {
      root.transfer();
    } catch (const std::runtime_error&) {
      handled = true;
    }
    root.transfer();
  });
  g.transfer();
  EXPECT_TRUE(g.raise(make_error<std::runtime_error>("y")));
  EXPECT_TRUE(handled);
  EXPECT_EQ(g.state(), fiber_state::transferred);
}

TEST_F(raise_test, raise_in_a_fiber_that_is_resuming_reaches_the_innermost_one) {
  // Control leaves the chain at `inner` by transfer; `aside` raises in `outer`, which waits for `inner`.
  std::string log;
  fiber outer, inner, aside;
  aside = fiber([&] { outer.raise(make_error<std::runtime_error>("x")); });
  inner = fiber([&] {
    try {
      aside.transfer();
    } catch (const std::runtime_error&) {
      log += 'i';
    }
  });
  outer = fiber([&] {
    inner.resume();
    log += 'o';
  });
  EXPECT_FALSE(outer.resume());
  EXPECT_EQ(log, "io");
  EXPECT_EQ(aside.state(), fiber_state::transferred);
}

TEST_F(raise_test, raise_on_the_root_that_transferred_throws_there) {
  fiber_ref root = this_fiber::ref();
  fiber f([&] { root.raise(make_error<std::out_of_range>("home")); });
  EXPECT_THROW(f.transfer(), std::out_of_range);
  EXPECT_EQ(f.state(), fiber_state::transferred);
}

// A32
TEST_F(kill_test, a_fiber_killed_before_its_start_never_runs_and_its_function_is_destroyed) {
  auto held = std::make_shared<int>(1);
  bool ran = false;
  fiber f([&ran, held] { ran = true; });
  EXPECT_TRUE(f.kill());
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_TRUE(f.done());
  EXPECT_FALSE(f.kill());
  expect_refusal(fiber_errc::terminated, [&] { f.resume(); });
  EXPECT_FALSE(ran);
}

// A34
TEST_F(kill_test, a_fiber_that_kills_itself_runs_nothing_after_it_and_its_resumer_goes_on) {
  std::string log;
  fiber f([&] {
    mark m(log, 'm');
    this_fiber::ref().kill();
    log += '!';
  });
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(log, "m");
  EXPECT_TRUE(f.done());
}

TEST_F(kill_test, kill_of_a_suspended_fiber_runs_cleanup_and_no_typed_handler) {
  std::string log;
  fiber f([&] {
    mark m(log, 'a');
    try {
      mark inner(log, 'b');
      this_fiber::suspend();
    } catch (const std::exception&) {
      log += '!';
    } catch (int) {
      log += '!';
    }
    log += '!';
  });
  f.resume();
  EXPECT_TRUE(f.kill());
  EXPECT_EQ(log, "ba");
}

// Ruby checks the kill again at every switch and cuts cleanup short; here it comes once.
TEST_F(kill_test, cleanup_of_a_killed_fiber_may_suspend_and_finish) {
  std::string log;
  struct slow_cleanup {
    std::string& log;
    ~slow_cleanup() {
      log += '1';
      this_fiber::suspend();
      log += '2';
      this_fiber::suspend();
      log += '3';
    }
  };
  fiber f([&] {
    mark outer(log, 'o');
    slow_cleanup cleanup{log};
    this_fiber::suspend();
    log += '!';
  });
  f.resume();
  EXPECT_TRUE(f.kill());
  EXPECT_EQ(log, "1");
  EXPECT_EQ(f.state(), fiber_state::suspended);
  EXPECT_FALSE(f.kill()) << "it is being killed already";
  EXPECT_TRUE(f.resume());
  EXPECT_EQ(log, "12");
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(log, "123o");
}

TEST_F(kill_test, a_handle_that_dies_lets_suspending_cleanup_finish) {
  std::string log;
  struct slow_cleanup {
    std::string& log;
    ~slow_cleanup() {
      this_fiber::suspend();
      log += 'd';
    }
  };
  {
    fiber f([&] {
      slow_cleanup one{log};
      slow_cleanup two{log};
      this_fiber::suspend();
    });
    f.resume();
  }
  EXPECT_EQ(log, "dd");
}

TEST_F(kill_test, a_catch_all_that_rethrows_is_passed_and_may_suspend_first) {
  std::string log;
  fiber f([&] {
    try {
      this_fiber::suspend();
    } catch (...) {
      log += 'c';
      this_fiber::suspend();
      log += 'd';
      throw;
    }
    log += '!';
  });
  f.resume();
  EXPECT_TRUE(f.kill());
  EXPECT_EQ(log, "c");
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(log, "cd");
}

TEST_F(kill_test, kill_of_a_transferred_fiber_comes_back_to_the_killer) {
  std::string log;
  fiber_ref root = this_fiber::ref();
  fiber f([&] {
    mark m(log, 'm');
    root.transfer();
    log += '!';
  });
  f.transfer();
  EXPECT_TRUE(f.kill());
  EXPECT_EQ(log, "m");
  EXPECT_TRUE(f.done());
}

// A36
TEST_F(kill_test, a_child_that_kills_its_parent_goes_on_and_the_parent_unwinds_once) {
  std::string log;
  fiber parent, child;
  child = fiber([&] {
    EXPECT_TRUE(parent.kill());
    EXPECT_TRUE(parent.kill()) << "not over yet";
    EXPECT_EQ(parent.state(), fiber_state::resuming);
    log += 'c';
  });
  parent = fiber([&] {
    mark m(log, 'p');
    child.resume();
    log += '!';
  });
  EXPECT_FALSE(parent.resume());
  EXPECT_EQ(log, "cp");
  EXPECT_TRUE(parent.done());
  EXPECT_TRUE(child.done());
}

// A36
TEST_F(kill_test, a_grandchild_kills_the_grandparent_which_unwinds_when_control_is_back) {
  std::string log;
  fiber a, b, c;
  c = fiber([&] {
    a.kill();
    log += 'c';
    this_fiber::suspend();
    log += 'C';
  });
  b = fiber([&] {
    c.resume();
    log += 'b';
    this_fiber::suspend();
    log += 'B';
  });
  a = fiber([&] {
    mark m(log, 'a');
    b.resume();
    log += '!';
  });
  EXPECT_FALSE(a.resume());
  EXPECT_EQ(log, "cba");
  EXPECT_FALSE(c.resume());
  EXPECT_FALSE(b.resume());
  EXPECT_EQ(log, "cbaCB");
}

TEST_F(kill_test, an_exception_of_the_child_is_dropped_when_its_parent_is_killed) {
  fiber parent;
  fiber child([&] {
    parent.kill();
    throw std::runtime_error("nobody hears it");
  });
  parent = fiber([&] { child.resume(); });
  EXPECT_FALSE(parent.resume());
  EXPECT_TRUE(parent.done());
}

TEST_F(kill_test, a_fiber_that_waits_outside_of_the_killers_chain_is_refused) {
  fiber_ref root = this_fiber::ref();
  fiber waits, inner;
  inner = fiber([&] { root.transfer(); });
  waits = fiber([&] { inner.resume(); });
  waits.transfer();
  expect_refusal(fiber_errc::resuming_another, [&] { waits.kill(); });
  inner.transfer();
  EXPECT_TRUE(waits.done());
}

// A37
TEST_F(kill_test, a_thread_that_kills_its_own_root_ends_normally) {
  std::string log;
  std::thread([&] {
    mark m(log, 't');
    this_fiber::ref().kill();
    log += '!';
  }).join();
  EXPECT_EQ(log, "t");
}

// A37
TEST_F(kill_test, a_fiber_that_kills_its_threads_root_ends_the_thread_when_it_is_left) {
  std::string log;
  std::thread([&] {
    mark m(log, 't');
    fiber_ref root = this_fiber::ref();
    fiber f([&] {
      mark inner(log, 'f');
      EXPECT_TRUE(root.kill());
      log += 'k';
      this_fiber::suspend();
      log += '!';
    });
    f.resume();
    log += '!';
  }).join();
  EXPECT_EQ(log, "kft");
}

// What ordinary exceptions would be lost in: streams, futures' tasks, noexcept functions that call a callback.
TEST_F(kill_test, kill_passes_through_stream_operators) {
  struct waits {
    std::string& log;
  };
  std::string log;
  fiber f([&] {
    mark m(log, 'm');
    struct buffer : std::streambuf {
      int_type overflow(int_type) override {
        this_fiber::suspend();
        return 0;
      }
    } out;
    std::ostream stream(&out);
    stream << 42;
    log += '!';
  });
  f.resume();
  EXPECT_TRUE(f.kill());
  EXPECT_EQ(log, "m");
}

TEST_F(kill_test, a_pending_error_that_is_never_delivered_is_dropped_with_the_fiber) {
  // Raised while it unwinds: an exception cannot be thrown out of a destructor, so it waits for the next suspend.
  auto held = std::make_shared<int>(0);
  struct suspends {
    ~suspends() { this_fiber::suspend(); }
  };
  fiber f([] {
    try {
      suspends s;
      throw 1;
    } catch (int) {
    }
  });
  f.resume();
  struct carrying {
    std::shared_ptr<int> what;
  };
  EXPECT_FALSE(f.raise(std::make_exception_ptr(carrying{held})));
  EXPECT_TRUE(f.done());
  f = fiber();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(raise_test, what_is_raised_while_a_fiber_unwinds_is_thrown_at_its_next_suspend) {
  std::string log;
  struct suspends {
    ~suspends() { this_fiber::suspend(); }
  };
  fiber f([&] {
    try {
      suspends s;
      throw 1;
    } catch (int value) {
      log += std::to_string(value);
    }
    try {
      this_fiber::suspend();
    } catch (int value) {
      log += std::to_string(value);
    }
    this_fiber::suspend();
    log += 'e';
  });
  EXPECT_TRUE(f.resume());
  EXPECT_TRUE(f.raise(make_error<int>(2)));
  EXPECT_EQ(log, "12");
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(log, "12e");
}

TEST_F(kill_test, a_fiber_killed_while_it_unwinds_goes_on_to_its_next_suspend) {
  std::string log;
  struct suspends {
    ~suspends() { this_fiber::suspend(); }
  };
  fiber f([&] {
    mark m(log, 'm');
    try {
      suspends s;
      throw 1;
    } catch (int) {
      log += 'c';
    }
    this_fiber::suspend();
    log += '!';
  });
  f.resume();
  EXPECT_TRUE(f.kill());
  EXPECT_TRUE(f.done());
  EXPECT_EQ(log, "cm");
}

TEST_F(kill_test, killing_inside_a_catch_block_releases_the_caught_exception) {
  auto held = std::make_shared<int>(0);
  struct carrying {
    std::shared_ptr<int> what;
  };
  fiber f([&] {
    try {
      throw carrying{held};
    } catch (const carrying&) {
      try {
        throw carrying{held};
      } catch (const carrying&) {
        this_fiber::suspend();
      }
    }
  });
  f.resume();
  EXPECT_EQ(held.use_count(), 3);
  EXPECT_TRUE(f.kill());
  EXPECT_EQ(held.use_count(), 1);
}

// Disabled: both end in std::terminate today, with a report (tests/fiber/refusal_test.cpp). Forced unwinding may not
// pass a noexcept frame, and destructors are noexcept; a kill would have to wait until the fiber has left such frames.
// g++'s tables tell which those are (no entry for the call), clang's do not (a handler like that of catch (...)), and a
// kill that waits in one compiler's programs only is worse. A fiber parked there must be resumed before it is dropped.
TEST_F(kill_test, DISABLED_a_fiber_parked_in_a_destructor_or_a_noexcept_function_may_be_destroyed) {
  struct suspends {
    ~suspends() { this_fiber::suspend(); }
  };
  {
    fiber f([] { suspends s; });
    f.resume();
  }
  {
    fiber f([]() noexcept { this_fiber::suspend(); });
    f.resume();
  }
}

}  // namespace
}  // namespace cases
