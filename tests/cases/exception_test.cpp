// Exceptions of every kind in flight across switches, and fibers used while unwinding.
#include "cases/world.hpp"

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace cases {
namespace {

class exception_test : public clean_world {};

// Makes, resumes and ends a fiber that throws and catches within itself.
void use_a_fiber(std::string& log, char letter) {
  fiber f([&] {
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    try {
      throw std::logic_error("own");
    } catch (const std::logic_error&) {
      this_fiber::suspend();
      EXPECT_THROW(throw, std::logic_error);
    }
    log += letter;
  });
  EXPECT_TRUE(f.resume());
  EXPECT_FALSE(f.resume());
}

struct uses_fibers_when_destroyed {
  std::string& log;
  char letter;
  ~uses_fibers_when_destroyed() { use_a_fiber(log, letter); }
};

TEST_F(exception_test, destructors_use_fibers_while_an_exception_unwinds_a_thread) {
  std::string log;
  try {
    uses_fibers_when_destroyed a{log, 'a'};
    uses_fibers_when_destroyed b{log, 'b'};
    throw std::runtime_error("unwinding");
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "unwinding");
    use_a_fiber(log, 'c');
    EXPECT_THROW(throw, std::runtime_error);
  }
  EXPECT_EQ(log, "bac");
}

TEST_F(exception_test, destructors_use_fibers_while_a_fiber_is_unwound_by_exception_kill_and_destruction) {
  std::string log;
  auto body = [&](char letter, bool throws) {
    return [&log, letter, throws] {
      uses_fibers_when_destroyed outer{log, letter};
      uses_fibers_when_destroyed inner{log, static_cast<char>(letter + 1)};
      this_fiber::suspend();
      if (throws) throw 1;
    };
  };
  fiber by_exception(body('a', true));
  by_exception.resume();
  EXPECT_THROW(by_exception.resume(), int);
  fiber by_kill(body('c', false));
  by_kill.resume();
  by_kill.kill();
  {
    fiber by_destruction(body('e', false));
    by_destruction.resume();
  }
  EXPECT_EQ(log, "badcfe");
}

TEST_F(exception_test, fibers_suspended_in_destructors_of_different_exceptions_keep_them_apart) {
  struct suspends {
    int expected;
    ~suspends() {
      EXPECT_EQ(std::uncaught_exceptions(), expected);
      this_fiber::suspend();
      EXPECT_EQ(std::uncaught_exceptions(), expected);
    }
  };
  std::vector<fiber> fibers;
  std::vector<int> caught(20);
  for (int i = 0; i < 20; ++i) {
    fibers.emplace_back([i, &caught] {
      try {
        suspends a{1};
        suspends b{1};
        throw i;
      } catch (int value) {
        suspends c{0};
        this_fiber::suspend();
        caught[static_cast<std::size_t>(i)] = value;
      }
    });
  }
  while (ramie::resume_each(fibers) > 0) EXPECT_EQ(std::uncaught_exceptions(), 0);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(caught[static_cast<std::size_t>(i)], i);
}

TEST_F(exception_test, nested_handlers_and_rethrow_work_across_switches) {
  std::string log;
  fiber f([&] {
    try {
      throw std::runtime_error("one");
    } catch (const std::exception& one) {
      this_fiber::suspend();
      try {
        try {
          throw std::logic_error("two");
        } catch (const std::exception& two) {
          this_fiber::suspend();
          log += two.what();
          throw;
        }
      } catch (const std::logic_error& again) {
        this_fiber::suspend();
        log += again.what();
      }
      log += one.what();
      try {
        throw;
      } catch (const std::runtime_error& last) {
        this_fiber::suspend();
        log += last.what();
      }
    }
  });
  int resumes = 0;
  try {
    throw 99;
  } catch (int) {
    while (f.resume()) {
      ++resumes;
      try {
        throw;
      } catch (int value) {
        EXPECT_EQ(value, 99);
      }
    }
  }
  EXPECT_EQ(resumes, 4);
  EXPECT_EQ(log, "twotwooneone");
}

TEST_F(exception_test, nested_exceptions_are_carried_out_whole) {
  fiber f([] {
    try {
      throw std::runtime_error("inner");
    } catch (...) {
      this_fiber::suspend();
      std::throw_with_nested(std::logic_error("outer"));
    }
  });
  f.resume();
  try {
    f.resume();
    ADD_FAILURE();
  } catch (const std::logic_error& outer) {
    EXPECT_STREQ(outer.what(), "outer");
    try {
      std::rethrow_if_nested(outer);
      ADD_FAILURE();
    } catch (const std::runtime_error& inner) {
      EXPECT_STREQ(inner.what(), "inner");
    }
  }
}

TEST_F(exception_test, an_exception_pointer_travels_between_fibers_and_dies_last) {
  auto held = std::make_shared<int>(0);
  struct carrying {
    std::shared_ptr<int> what;
  };
  std::exception_ptr kept;
  fiber thrower([&] {
    try {
      throw carrying{held};
    } catch (...) {
      kept = std::current_exception();
      this_fiber::suspend();
    }
  });
  thrower.resume();
  fiber catcher([&] {
    try {
      std::rethrow_exception(kept);
    } catch (const carrying& c) {
      EXPECT_EQ(c.what, held);
      this_fiber::suspend();
    }
  });
  catcher.resume();
  thrower.resume();
  kept = nullptr;
  EXPECT_EQ(held.use_count(), 2);
  catcher.resume();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(exception_test, a_transfer_out_of_a_catch_block_and_back_keeps_both_sides) {
  fiber_ref root = this_fiber::ref();
  fiber f([&] {
    try {
      throw 1;
    } catch (int) {
      root.transfer();
      EXPECT_THROW(throw, int);
    }
  });
  try {
    throw std::runtime_error("root's");
  } catch (const std::runtime_error&) {
    f.transfer();
    EXPECT_THROW(throw, std::runtime_error);
    f.transfer();
    EXPECT_THROW(throw, std::runtime_error);
  }
  EXPECT_TRUE(f.done());
}

TEST_F(exception_test, a_fiber_ends_inside_somebody_elses_catch_block) {
  fiber f([] { this_fiber::suspend(); });
  f.resume();
  try {
    throw 5;
  } catch (int) {
    f.kill();
    EXPECT_THROW(throw, int);
  }
  fiber g([] { throw std::runtime_error("out"); });
  try {
    throw 6;
  } catch (int) {
    EXPECT_THROW(g.resume(), std::runtime_error);
    EXPECT_THROW(throw, int);
  }
}

TEST_F(exception_test, exceptions_of_every_kind_come_out_as_they_are) {
  struct base {
    virtual ~base() = default;
    base() = default;
    base(const base&) = default;
    base& operator=(const base&) = default;
  };
  struct derived : base {
    std::string text = "derived";
  };
  static const char literal[] = "text";
  auto run = [](auto body) {
    fiber f(body);
    f.resume();
  };
  EXPECT_THROW(run([] { throw derived(); }), base);
  try {
    run([] { throw literal; });
    ADD_FAILURE();
  } catch (const char* text) {
    EXPECT_EQ(text, literal);
  }
  struct alignas(16) wide {  // the most that the C++ ABI gives an exception object
    double values[4] = {1, 2, 3, 4};
  };
  try {
    run([] { throw wide(); });
    ADD_FAILURE();
  } catch (const wide& w) {
    EXPECT_EQ(w.values[3], 4);
  }
  struct move_only {
    std::unique_ptr<int> value;
  };
  try {
    run([] { throw move_only{std::make_unique<int>(3)}; });
    ADD_FAILURE();
  } catch (const move_only& m) {
    EXPECT_EQ(*m.value, 3);
  }
  EXPECT_THROW(run([] { throw nullptr; }), std::nullptr_t);
}

TEST_F(exception_test, a_noexcept_body_is_a_body) {
  int steps = 0;
  fiber f([&]() noexcept {
    ++steps;
    this_fiber::suspend();
    ++steps;
  });
  EXPECT_TRUE(f.resume());
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(steps, 2);
}

TEST_F(exception_test, a_function_try_block_and_a_constructor_that_throws_unwind_over_switches) {
  std::string log;
  struct member {
    std::string& log;
    explicit member(std::string& l) : log(l) { this_fiber::suspend(); }
    ~member() { log += 'm'; }
  };
  struct whole {
    member m;
    explicit whole(std::string& l) try : m(l) {
      this_fiber::suspend();
      throw 1;
    } catch (int) {
      this_fiber::suspend();
    }
  };
  fiber f([&] {
    try {
      whole w(log);
    } catch (int) {
      log += 'c';
    }
  });
  while (f.resume()) {
  }
  EXPECT_EQ(log, "mc");
}

TEST_F(exception_test, a_fiber_resumed_while_its_resumer_unwinds_may_throw_through_a_guarded_destructor) {
  std::string log;
  struct catches {
    std::string& log;
    ~catches() {
      fiber f([] {
        this_fiber::suspend();
        throw 2;
      });
      f.resume();
      try {
        f.resume();
      } catch (int value) {
        log += std::to_string(value);
      }
    }
  };
  try {
    catches c{log};
    throw 1;
  } catch (int value) {
    log += std::to_string(value);
  }
  EXPECT_EQ(log, "21");
}

TEST_F(exception_test, forced_unwinding_counts_as_no_exception_in_destructors) {
  int during = -1;
  struct looks {
    int& count;
    ~looks() { count = std::uncaught_exceptions(); }
  };
  {
    fiber f([&] {
      looks l{during};
      this_fiber::suspend();
    });
    f.resume();
  }
  EXPECT_EQ(during, 0);
}

TEST_F(exception_test, a_thousand_nested_fibers_pass_an_exception_up) {
  const int depth = many(1000);
  int unwound = 0;
  struct counts {
    int& count;
    ~counts() { ++count; }
  };
  struct nest {
    static void go(int left, int& unwound) {
      counts c{unwound};
      if (left == 0) throw std::runtime_error("deepest");
      fiber f([left, &unwound] { go(left - 1, unwound); });
      f.resume();
    }
  };
  EXPECT_THROW(nest::go(depth, unwound), std::runtime_error);
  EXPECT_EQ(unwound, depth + 1);
}

}  // namespace
}  // namespace cases
