// Resume, suspend, transfer, raise, kill: the everyday behaviour, and each refusal.
#include <ramie/fiber.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using ramie::fiber;
using ramie::fiber_errc;
using ramie::fiber_state;
namespace this_fiber = ramie::this_fiber;

// Fails when a test leaves a stack in use.
class fiber_test : public testing::Test {
 protected:
  void SetUp() override { before_ = ramie::count_stacks().in_use; }
  void TearDown() override { EXPECT_EQ(ramie::count_stacks().in_use, before_) << "a fiber was left behind"; }
  std::uint64_t before_ = 0;
};

template <class F>
void expect_refusal(fiber_errc code, F&& f) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ramie::fiber_error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
  }
}

TEST_F(fiber_test, resume_runs_to_the_next_suspend_and_tells_whether_it_lives_on) {
  std::string log;
  fiber f([&] {
    log += 'a';
    this_fiber::suspend();
    log += 'b';
  });
  EXPECT_EQ(f.state(), fiber_state::created);
  EXPECT_TRUE(f.resume());
  EXPECT_EQ(log, "a");
  EXPECT_EQ(f.state(), fiber_state::suspended);
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(log, "ab");
  EXPECT_TRUE(f.done());
  expect_refusal(fiber_errc::terminated, [&] { f.resume(); });
}

TEST_F(fiber_test, an_exception_that_escapes_is_rethrown_once_at_resume) {
  fiber f([] { throw std::runtime_error("boom"); });
  EXPECT_THROW(f.resume(), std::runtime_error);
  EXPECT_TRUE(f.done());
  expect_refusal(fiber_errc::terminated, [&] { f.resume(); });
}

TEST_F(fiber_test, destroying_a_suspended_fiber_runs_its_destructors_newest_first) {
  std::string log;
  struct noisy {
    std::string& log;
    char name;
    ~noisy() { log += name; }
  };
  {
    fiber f([&] {
      noisy a{log, 'a'};
      noisy b{log, 'b'};
      this_fiber::suspend();
    });
    f.resume();
  }
  EXPECT_EQ(log, "ba");
}

TEST_F(fiber_test, a_fiber_never_started_takes_no_stack_and_its_function_is_destroyed) {
  auto shared = std::make_shared<int>(1);
  const auto acquired = ramie::count_stacks().acquired;
  {
    fiber f([shared] {});
    EXPECT_EQ(shared.use_count(), 2);
  }
  EXPECT_EQ(shared.use_count(), 1);
  EXPECT_EQ(ramie::count_stacks().acquired, acquired);
}

TEST_F(fiber_test, suspend_in_a_catch_block_keeps_each_fibers_current_exception) {
  fiber f([] {
    try {
      throw std::runtime_error("mine");
    } catch (const std::exception&) {
      this_fiber::suspend();
      try {
        throw;
      } catch (const std::exception& again) {
        EXPECT_STREQ(again.what(), "mine");
      }
    }
  });
  f.resume();
  EXPECT_EQ(std::current_exception(), nullptr);
  EXPECT_EQ(std::uncaught_exceptions(), 0);
  try {
    throw std::logic_error("other");
  } catch (const std::exception& e) {
    EXPECT_FALSE(f.resume());
    EXPECT_STREQ(e.what(), "other");
    EXPECT_NE(std::current_exception(), nullptr);
  }
}

TEST_F(fiber_test, raise_throws_where_the_fiber_is_suspended) {
  std::string caught;
  fiber f([&] {
    try {
      this_fiber::suspend();
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
    this_fiber::suspend();
  });
  expect_refusal(fiber_errc::not_started, [&] { f.raise(std::make_exception_ptr(std::runtime_error("x"))); });
  f.resume();
  EXPECT_TRUE(f.raise(std::make_exception_ptr(std::runtime_error("x"))));
  EXPECT_EQ(caught, "x");
}

TEST_F(fiber_test, kill_passes_through_streams_and_handlers_that_rethrow) {
  bool cleaned = false, after = false;
  fiber f([&] {
    try {
      this_fiber::suspend();
    } catch (...) {
      cleaned = true;
      throw;
    }
    after = true;
  });
  f.resume();
  EXPECT_TRUE(f.kill());
  EXPECT_TRUE(f.done());
  EXPECT_TRUE(cleaned);
  EXPECT_FALSE(after);
  EXPECT_FALSE(f.kill());
}

TEST_F(fiber_test, transfer_goes_across_and_the_end_returns_to_the_root) {
  std::vector<int> log;
  fiber* two = nullptr;
  fiber one([&] {
    log.push_back(1);
    two->transfer();
    log.push_back(4);
  });
  fiber second([&] {
    log.push_back(2);
    one.transfer();
    log.push_back(99);
  });
  two = &second;
  second.transfer();  // ends: control comes back here, not to `one`
  EXPECT_EQ(log, (std::vector<int>{2, 1, 99}));
  EXPECT_TRUE(second.done());
  EXPECT_EQ(one.state(), fiber_state::transferred);
  one.transfer();
  EXPECT_EQ(log, (std::vector<int>{2, 1, 99, 4}));
}

TEST_F(fiber_test, misuse_is_refused_with_its_own_code_and_changes_nothing) {
  expect_refusal(fiber_errc::no_resumer, [] { this_fiber::suspend(); });
  expect_refusal(fiber_errc::no_fiber, [] { fiber().resume(); });
  fiber self;
  self = fiber([&] {
    expect_refusal(fiber_errc::resumes_itself, [&] { self.resume(); });
    self.transfer();  // to itself: nothing happens
  });
  EXPECT_FALSE(self.resume());

  fiber outer;
  fiber inner([&] { expect_refusal(fiber_errc::already_resumed, [&] { outer.resume(); }); });
  outer = fiber([&] { inner.resume(); });
  EXPECT_FALSE(outer.resume());

  fiber suspended([] { this_fiber::suspend(); });
  suspended.resume();
  expect_refusal(fiber_errc::awaits_resume, [&] { suspended.transfer(); });
  std::thread([&] { expect_refusal(fiber_errc::other_thread, [&] { suspended.resume(); }); }).join();
  EXPECT_FALSE(suspended.resume());
}

TEST_F(fiber_test, a_handle_that_dies_on_another_thread_is_sent_home) {
  bool unwound = false;
  auto f = std::make_unique<fiber>([&] {
    struct mark {
      bool& flag;
      ~mark() { flag = true; }
    } m{unwound};
    this_fiber::suspend();
  });
  f->resume();
  std::thread([&] { f.reset(); }).join();
  EXPECT_FALSE(unwound);
  fiber other([] {});
  other.resume();
  EXPECT_TRUE(unwound);
}

TEST_F(fiber_test, a_thread_that_ends_unwinds_its_fibers_newest_first) {
  std::string log;
  std::vector<fiber> fibers;
  std::thread([&] {
    for (char name : {'a', 'b', 'c'}) {
      fibers.emplace_back([&log, name] {
        struct mark {
          std::string& log;
          char name;
          ~mark() { log += name; }
        } m{log, name};
        this_fiber::suspend();
      });
      fibers.back().resume();
    }
  }).join();
  EXPECT_EQ(log, "cba");
  EXPECT_TRUE(fibers[0].done());
  fibers.clear();
}

TEST_F(fiber_test, errno_is_the_fibers_own) {
  fiber f([] {
    errno = 11;
    this_fiber::suspend();
    EXPECT_EQ(errno, 11);
  });
  errno = 22;
  f.resume();
  EXPECT_EQ(errno, 22);
  errno = 33;
  f.resume();
  EXPECT_EQ(errno, 33);
}

TEST_F(fiber_test, a_million_round_trips_over_many_fibers_keep_their_counts) {
#if defined(RAMIE_TSAN)
  constexpr int count = 300;  // each takes ThreadSanitizer 0.9 MB
#else
  constexpr int count = 5000;
#endif
  std::vector<int> turns(count);
  std::vector<fiber> fibers;
  for (int i = 0; i < count; ++i) {
    fibers.emplace_back([&turns, i] {
      for (;;) {
        ++turns[static_cast<std::size_t>(i)];
        this_fiber::suspend();
      }
    });
  }
  for (int round = 0; round < 100; ++round) EXPECT_EQ(ramie::resume_each(fibers), std::size_t{count});
  for (int round = 0; round < 100; ++round) {
    for (auto& f : fibers) f.resume();
  }
  for (int n : turns) ASSERT_EQ(n, 200);
}

TEST_F(fiber_test, a_fiber_local_is_inherited_by_copy) {
  static ramie::fiber_local<int> depth(7);
  *depth = 1;
  fiber f([] {
    EXPECT_EQ(*depth, 1);
    *depth = 2;
    this_fiber::suspend();
    EXPECT_EQ(*depth, 2);
  });
  *depth = 5;
  f.resume();
  EXPECT_EQ(*depth, 5);
  f.resume();
  depth.reset();
  EXPECT_EQ(*depth, 7);
  depth.reset();
}

TEST_F(fiber_test, a_stale_reference_throws_and_asking_it_does_not) {
  ramie::fiber_ref ref;
  {
    fiber f([] {}, {.name = "short"});
    ref = f;
    EXPECT_STREQ(ref.name(), "short");
  }
  EXPECT_TRUE(ref.done());
  expect_refusal(fiber_errc::terminated, [&] { ref.resume(); });
  expect_refusal(fiber_errc::no_fiber, [] { ramie::fiber_ref().resume(); });
}

TEST_F(fiber_test, pthread_exit_in_a_fiber_unwinds_the_chain_and_ends_the_thread) {
#if defined(RAMIE_TSAN)
  std::puts("skipped: pthread_exit in a fiber: ThreadSanitizer's own check fails there");
  GTEST_SKIP();
#endif
  std::string log;
  struct mark {
    std::string& log;
    char name;
    ~mark() { log += name; }
  };
  std::thread([&] {
    mark thread_mark{log, 't'};
    fiber outer([&] {
      mark outer_mark{log, 'o'};
      fiber inner([&] {
        mark inner_mark{log, 'i'};
        pthread_exit(nullptr);
      });
      inner.resume();
      log += '!';
    });
    outer.resume();
    log += '!';
  }).join();
  EXPECT_EQ(log, "iot");
}

TEST_F(fiber_test, a_child_kills_the_fiber_that_resumes_it_when_control_comes_back) {
  std::string log;
  fiber parent;
  fiber child([&] {
    EXPECT_TRUE(parent.kill());
    log += 'c';
    this_fiber::suspend();
    log += 'd';
  });
  parent = fiber([&] {
    child.resume();
    log += 'p';
  });
  EXPECT_FALSE(parent.resume());
  EXPECT_EQ(log, "c");
  EXPECT_TRUE(parent.done());
  EXPECT_FALSE(child.resume());
  EXPECT_EQ(log, "cd");
}

}  // namespace
