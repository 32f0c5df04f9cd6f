// Life: who unwinds what and when; moves, containers, threads, callbacks kept too long.
#include "generator/generator_world.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

namespace generators {
namespace {

class generator_life_test : public clean_world {
 protected:
  std::string log;
  // Yields 1, 2, 3 with marks a and b in two frames.
  auto marked() {
    return [this](auto& yield) {
      mark outer(log, 'a');
      [&] {
        mark inner(log, 'b');
        for (int i = 1; i <= 3; ++i) yield(i);
      }();
    };
  }
};

TEST_F(generator_life_test, a_generator_that_was_not_asked_takes_no_stack) {
  EXPECT_EQ(stacks_taken([&] {
              generator<int> g(marked());
              g.close();
              g.rewind();
            }),
            0U);
  EXPECT_EQ(log, "");
}

TEST_F(generator_life_test, destroying_it_in_the_middle_unwinds_newest_first) {
  {
    generator<int> g(marked());
    EXPECT_EQ(g.next(), 1);
  }
  EXPECT_EQ(log, "ba");
}

TEST_F(generator_life_test, closing_unwinds_once_and_the_end_is_repeated) {
  generator<int> g(marked());
  EXPECT_EQ(g.next(), 1);
  EXPECT_NE(g.peek(), nullptr);
  g.close();
  EXPECT_EQ(log, "ba");
  EXPECT_EQ(ramie::count_stacks().in_use, stacks_before_);
  EXPECT_EQ(g.next(), std::nullopt);
  EXPECT_EQ(g.peek(), nullptr);
  g.close();
  EXPECT_EQ(log, "ba");
  g.rewind();
  EXPECT_EQ(g.next(), 1);
  g.close();
  EXPECT_EQ(log, "baba");
}

TEST_F(generator_life_test, rewinding_unwinds_once_and_begins_anew) {
  generator<int> g(marked());
  EXPECT_EQ(g.next(), 1);
  EXPECT_EQ(g.next(), 2);
  g.rewind();
  EXPECT_EQ(log, "ba");
  EXPECT_EQ(g.next(), 1);
  EXPECT_EQ(collect(g), (std::vector{2, 3}));
  EXPECT_EQ(log, "baba");
  EXPECT_EQ(g.next(), std::nullopt);
  g.rewind();
  EXPECT_EQ(collect(g), (std::vector{1, 2, 3}));
}

// A kill that finds nothing to run lets the frames be; each of these must be found.
TEST_F(generator_life_test, whatever_is_due_runs_each_time_one_is_dropped) {
  for (int round = 0; round < 5; ++round) {
    log.clear();
    {
      generator<int> g([this](auto& yield) {
        try {
          yield(1);
        } catch (...) {
          log += 'c';
          throw;
        }
      });
      EXPECT_EQ(g.next(), 1);
    }
    EXPECT_EQ(log, "c");
    {
      // The destructor is due after the second yield only.
      generator<int> g([this](auto& yield) {
        yield(1);
        mark late(log, 'd');
        yield(2);
      });
      EXPECT_EQ(g.next(), 1);
      g.rewind();
      EXPECT_EQ(log, "c");
      g.next();
      EXPECT_EQ(g.next(), 2);
    }
    EXPECT_EQ(log, "cd");
    {
      const auto held = std::make_shared<int>(0);
      generator<int> g([held](auto& yield) { yield(1); });
      g.next();
      EXPECT_EQ(held.use_count(), 2);
      g = generator<int>();
      EXPECT_EQ(held.use_count(), 1);
    }
  }
}

long mappings() {
  std::ifstream maps("/proc/self/maps");
  return std::count(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>(), '\n');
}

TEST_F(generator_life_test, nothing_is_left_after_a_hundred_thousand_that_gave_one_value) {
  generator<int>(counting(1)).next();
  const std::uint64_t opened = ramie::count_stacks().opened;
  const long mapped = mappings();
  long sum = 0;
  const int count = cases::many(100000);
  for (int i = 0; i < count; ++i) {
    generator<int> g([i](auto& yield) {
      for (;;) yield(i);
    });
    sum += *g.next();
  }
  EXPECT_EQ(sum, long{count} * (count - 1) / 2);
  EXPECT_EQ(ramie::count_stacks().opened, opened);
  EXPECT_LE(mappings(), mapped + (cases::sanitized ? 1000 : 2));
}

TEST_F(generator_life_test, frames_of_a_deep_recursion_are_let_go_or_unwound) {
  std::function<void(const std::function<void(int)>&, int)> plain = [&](const auto& out, int depth) {
    out(depth);
    if (depth < 100) plain(out, depth + 1);
  };
  for (int round = 0; round < 3; ++round) {
    generator<int> g([&](auto& yield) { plain(yield, 0); });
    for (int i = 0; i < 60; ++i) EXPECT_EQ(g.next(), i);
  }
  std::function<void(const std::function<void(int)>&, int)> with_marks = [&](const auto& out, int depth) {
    mark each(log, 'x');
    out(depth);
    with_marks(out, depth + 1);
  };
  for (int round = 0; round < 3; ++round) {
    generator<int> g([&](auto& yield) { with_marks(yield, 0); });
    for (int i = 0; i < 20; ++i) EXPECT_EQ(g.next(), i);
  }
  EXPECT_EQ(log, std::string(60, 'x'));
}

TEST_F(generator_life_test, it_moves_in_the_middle_and_iterators_stay_good) {
  generator<int> g(marked());
  auto it = g.begin();
  generator<int> moved = std::move(g);
  ++it;
  EXPECT_EQ(*it, 2);
  EXPECT_EQ(moved.next(), 2);
  generator<int>& same = moved;
  moved = std::move(same);
  EXPECT_EQ(moved.next(), 3);
  expect_refusal(fiber_errc::no_fiber, [&] { g.next(); });
  expect_refusal(fiber_errc::no_fiber, [&] { g.rewind(); });
  g.close();
  EXPECT_FALSE(g);
}

TEST_F(generator_life_test, they_live_in_containers_and_pass_through_functions) {
  std::vector<generator<int>> many;
  for (int i = 0; i < 20; ++i) {
    many.emplace_back(counting(i));
    many.back().next();
  }
  const auto sum = [](generator<int> g) {
    int all = 0;
    for (int x : g) all += x;
    return all;
  };
  EXPECT_EQ(sum(std::move(many[10])), 45);
  many.erase(many.begin(), many.begin() + 5);
  std::list<std::optional<generator<int>>> kept;
  kept.emplace_back(std::move(many.back()));
  kept.front().reset();
  const auto made = [] { return generator<int>(counting(3)); };
  EXPECT_EQ(sum(made()), 3);
}

TEST_F(generator_life_test, generators_resume_other_generators) {
  generator<int> evens([](auto& yield) {
    generator<int> all([](auto& inner) {
      for (int i = 0;; ++i) inner(i);
    });
    for (int x : all) {
      if (x % 2 == 0) yield(x);
    }
  });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(evens.next(), 2 * i);
}

TEST_F(generator_life_test, a_chain_of_them_unwinds_from_the_outside_in) {
  {
    generator<int> outer([this](auto& yield) {
      mark first(log, 'o');
      generator<int> inner(marked());
      while (auto x = inner.next()) yield(*x);
    });
    EXPECT_EQ(outer.next(), 1);
  }
  EXPECT_EQ(log, "bao");
}

TEST_F(generator_life_test, a_source_that_asks_whether_more_is_wanted_returns_by_itself) {
  const auto asking = [this](auto& yield) {
    mark one(log, 'a');
    for (int i = 1; yield.wants_more(i); ++i) {
    }
    log += 'r';
  };
  {
    generator<int> g(asking);
    EXPECT_EQ(g.next(), 1);
    EXPECT_EQ(g.next(), 2);
    g.rewind();
    EXPECT_EQ(log, "ra");
    EXPECT_EQ(g.next(), 1);
    g.close();
    EXPECT_EQ(log, "rara");
    EXPECT_EQ(g.next(), std::nullopt);
    g.rewind();
    EXPECT_EQ(g.next(), 1);
  }
  EXPECT_EQ(log, "rarara");
  auto elsewhere = std::make_unique<generator<int>>(asking);
  EXPECT_EQ(elsewhere->next(), 1);
  std::thread([dying = std::move(elsewhere)]() mutable { dying.reset(); }).join();
  generator<int>(counting(1)).next();
  EXPECT_EQ(log, "rararara");
}

TEST_F(generator_life_test, one_that_asks_and_goes_on_all_the_same_is_unwound) {
  {
    generator<int> g([this](auto& yield) {
      mark one(log, 'a');
      static_cast<void>(yield.wants_more(1));
      for (;;) yield(2);
    });
    EXPECT_EQ(g.next(), 1);
  }
  EXPECT_EQ(log, "a");
}

TEST_F(generator_life_test, an_each_that_reads_answers_returns_by_itself) {
  struct answering {
    std::string* log;
    void each(const std::function<bool(int)>& callback) const {
      for (int i = 0; callback(i); ++i) {
      }
      *log += 'r';
    }
  };
  {
    generator<int> g(answering{&log});
    EXPECT_EQ(g.next(), 0);
  }
  EXPECT_EQ(log, "r");
}

TEST_F(generator_life_test, a_destructor_that_yields_while_it_is_unwound_is_let_finish) {
  struct talker {
    const ramie::pusher<int>& yield;
    std::string& log;
    ~talker() {
      yield(99);
      log += 't';
    }
  };
  {
    generator<int> g([this](auto& yield) {
      talker one{yield, log};
      yield(1);
    });
    EXPECT_EQ(g.next(), 1);
  }
  EXPECT_EQ(log, "t");
}

TEST_F(generator_life_test, a_callback_kept_beyond_its_iteration_is_refused) {
  std::function<void(int)> kept;
  {
    generator<int> g([&](auto& yield) {
      kept = yield;
      kept(1);
      yield(2);
    });
    EXPECT_EQ(g.next(), 1);
    expect_refusal(fiber_errc::no_resumer, [&] { kept(5); });
    EXPECT_EQ(g.next(), 2);
    EXPECT_EQ(g.next(), std::nullopt);
    expect_refusal(fiber_errc::iteration_over, [&] { kept(5); });
  }
  expect_refusal(fiber_errc::iteration_over, [&] { kept(5); });
  generator<int> another([&](auto& yield) {
    yield(1);
    kept(5);  // another generator may sit in the same block
  });
  EXPECT_EQ(another.next(), 1);
  expect_refusal(fiber_errc::iteration_over, [&] { another.next(); });
}

TEST_F(generator_life_test, yielding_from_a_fiber_inside_the_body_is_refused) {
  generator<int> g([](auto& yield) {
    ramie::fiber other([&] { expect_refusal(fiber_errc::resuming_another, [&] { yield(1); }); });
    other.resume();
    yield(2);
  });
  EXPECT_EQ(g.next(), 2);
}

TEST_F(generator_life_test, leaving_by_suspend_is_a_step_without_a_value) {
  generator<int> g([](auto& yield) {
    ramie::this_fiber::suspend();
    yield(1);
  });
  expect_refusal(fiber_errc::no_value, [&] { g.next(); });
  EXPECT_EQ(g.next(), 1);
}

TEST_F(generator_life_test, the_body_may_close_its_generator_but_not_rewind_it) {
  generator<int>* self = nullptr;
  generator<int> g([&](auto& yield) {
    mark one(log, 'a');
    expect_refusal(fiber_errc::already_resumed, [&] { self->rewind(); });
    yield(1);
    self->close();
    log += "never";
  });
  self = &g;
  EXPECT_EQ(g.next(), 1);
  EXPECT_EQ(g.next(), std::nullopt);
  EXPECT_EQ(log, "a");
}

TEST_F(generator_life_test, a_body_that_asks_itself_is_refused) {
  generator<int>* self = nullptr;
  generator<int> g([&](auto& yield) {
    expect_refusal(fiber_errc::resumes_itself, [&] { self->next(); });
    yield(1);
  });
  self = &g;
  EXPECT_EQ(g.next(), 1);
}

TEST_F(generator_life_test, one_that_was_killed_by_its_reference_holds_no_value) {
  ramie::fiber_ref inside;
  generator<int> g([&](auto& yield) {
    inside = ramie::this_fiber::ref();
    yield(1);
  });
  EXPECT_NE(g.peek(), nullptr);
  inside.kill();
  EXPECT_NE(g.peek(), nullptr);  // a new run
  EXPECT_EQ(g.next(), 1);
}

TEST_F(generator_life_test, one_that_has_not_begun_may_change_threads) {
  generator<int> g(counting(2));
  std::thread([&] {
    EXPECT_EQ(g.next(), 0);
    EXPECT_EQ(g.next(), 1);
    EXPECT_EQ(g.next(), std::nullopt);
  }).join();
  EXPECT_EQ(g.next(), std::nullopt);
}

TEST_F(generator_life_test, one_that_has_begun_is_refused_elsewhere) {
  generator<int> g(counting(3));
  EXPECT_EQ(g.next(), 0);
  std::thread([&] {
    expect_refusal(fiber_errc::other_thread, [&] { g.next(); });
    expect_refusal(fiber_errc::other_thread, [&] { g.close(); });
  }).join();
}

TEST_F(generator_life_test, a_handle_that_dies_elsewhere_is_sent_home_and_unwound_there) {
  std::thread::id unwound_on;
  struct tell {
    std::thread::id& where;
    ~tell() { where = std::this_thread::get_id(); }
  };
  auto g = std::make_unique<generator<int>>([&](auto& yield) {
    tell one{unwound_on};
    yield(1);
  });
  EXPECT_EQ(g->next(), 1);
  std::thread([dying = std::move(g)]() mutable { dying.reset(); }).join();
  EXPECT_EQ(unwound_on, std::thread::id());
  generator<int> another(counting(1));
  another.next();
  EXPECT_EQ(unwound_on, std::this_thread::get_id());
}

TEST_F(generator_life_test, a_thread_that_ends_unwinds_its_generators) {
  std::unique_ptr<generator<int>> g;
  std::thread([&] {
    g = std::make_unique<generator<int>>(marked());
    EXPECT_EQ(g->next(), 1);
    EXPECT_NE(g->peek(), nullptr);
  }).join();
  EXPECT_EQ(log, "ba");
  g.reset();
}

TEST_F(generator_life_test, threads_make_and_drop_their_own) {
  std::atomic<long> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        generator<int> g(counting(10));
        g.next();
        sum += *g.next();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(sum, 2000);
}

}  // namespace
}  // namespace generators
