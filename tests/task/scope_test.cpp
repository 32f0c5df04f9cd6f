// Who owns a task, in which order tasks run, and what a failure means.
#include "task/task_world.hpp"

#include <cerrno>
#include <memory>
#include <stdexcept>

namespace ramie_test {
namespace {

using ramie::scope;
using ramie::task;
using ramie::task_state;

class scope_test : public task_world {};

TEST_F(scope_test, tasks_take_turns_in_the_order_in_which_they_were_spawned) {
  ramie::run([&](scope& s) {
    for (const char* name : {"0", "1", "2"}) {
      s.spawn([&, name] {
        for (int i = 0; i < 3; ++i) {
          say(name);
          ramie::this_task::yield();
        }
      });
    }
  });
  EXPECT_EQ(said, (words{"0", "1", "2", "0", "1", "2", "0", "1", "2"}));
}

TEST_F(scope_test, spawn_queues_and_does_not_switch) {
  ramie::run([&](scope& s) {
    s.spawn([&] { say("child"); });
    say("parent");
  });
  EXPECT_EQ(said, (words{"parent", "child"}));
}

TEST_F(scope_test, run_returns_the_value_of_its_main_when_all_else_has_ended) {
  const int value = ramie::run([&](scope& s) {
    s.spawn([&] {
      ramie::this_task::yield();
      say("left behind");
    });
    return 42;
  });
  EXPECT_EQ(value, 42);
  EXPECT_EQ(said, words{"left behind"});
}

TEST_F(scope_test, run_passes_references_and_move_only_values_through) {
  int here = 1;
  int& there = ramie::run([&]() -> int& { return here; });
  EXPECT_EQ(&there, &here);
  std::unique_ptr<int> owned = ramie::run([] { return std::make_unique<int>(7); });
  EXPECT_EQ(*owned, 7);
}

TEST_F(scope_test, with_scope_returns_when_all_its_children_have_ended) {
  ramie::run([&] {
    const int value = ramie::with_scope([&](scope& s) {
      s.spawn([&] {
        for (int i = 0; i < 5; ++i) ramie::this_task::yield();
        say("child");
      });
      return 1;
    });
    say("after " + std::to_string(value));
  });
  EXPECT_EQ(said, (words{"child", "after 1"}));
}

TEST_F(scope_test, get_moves_the_result_out_once) {
  ramie::run([&](scope& s) {
    task<std::unique_ptr<int>> t = s.spawn([] { return std::make_unique<int>(3); });
    EXPECT_EQ(*t.get(), 3);
    EXPECT_THROW(t.get(), std::logic_error);
    EXPECT_EQ(t.state(), task_state::finished);
  });
}

TEST_F(scope_test, results_are_had_in_the_order_in_which_they_are_asked_for) {
  ramie::run([&](scope& s) {
    std::vector<task<int>> tasks;
    for (int i = 0; i < 4; ++i) {
      tasks.push_back(s.spawn([i] {
        for (int k = 4; k > i; --k) ramie::this_task::yield();
        return i;
      }));
    }
    for (int i = 0; i < 4; ++i) EXPECT_EQ(tasks[static_cast<std::size_t>(i)].get(), i);
  });
}

TEST_F(scope_test, a_handle_may_outlive_the_scope_and_still_has_the_result) {
  ramie::run([&] {
    task<std::string> late;
    ramie::with_scope([&](scope& s) { late = s.spawn([] { return std::string("kept"); }); });
    EXPECT_EQ(late.get(), "kept");
  });
}

TEST_F(scope_test, a_dropped_handle_changes_nothing) {
  ramie::run([&](scope& s) { static_cast<void>(s.spawn([&] { say("ran"); })); });
  EXPECT_EQ(said, words{"ran"});
}

TEST_F(scope_test, the_state_goes_from_ready_to_running_to_waiting_to_finished) {
  ramie::run([&](scope& s) {
    task<void> t;
    t = s.spawn([&] {
      EXPECT_EQ(t.state(), task_state::running);
      ramie::this_task::sleep_for(1ms);
    });
    EXPECT_EQ(t.state(), task_state::ready);
    ramie::this_task::yield();
    EXPECT_EQ(t.state(), task_state::waiting);
    t.join();
    EXPECT_EQ(t.state(), task_state::finished);
    EXPECT_TRUE(t.done());
  });
}

TEST_F(scope_test, the_first_failure_cancels_the_rest_and_is_thrown_as_itself) {
  ramie::run([&] {
    try {
      ramie::with_scope([&](scope& s) {
        s.spawn([&] {
          resident here(residents);
          ramie::this_task::sleep_for(1h);
          say("never");
        });
        s.spawn([] { throw std::out_of_range("first"); });
        ramie::this_task::sleep_for(1h);
        say("never");
      });
      FAIL();
    } catch (const std::out_of_range& failure) {
      say(failure.what());
    }
  });
  EXPECT_EQ(said, words{"first"});
}

TEST_F(scope_test, a_failing_body_cancels_its_children_and_waits_for_their_cleaning_up) {
  ramie::run([&] {
    EXPECT_THROW(ramie::with_scope([&](scope& s) {
                   s.spawn([&] {
                     try {
                       ramie::this_task::sleep_for(1h);
                     } catch (const ramie::cancelled&) {
                       ramie::this_task::sleep_for(1ms);
                       say("cleaned up");
                       throw;
                     }
                   });
                   ramie::this_task::yield();
                   throw std::runtime_error("body");
                 }),
                 std::runtime_error);
    say("left");
  });
  EXPECT_EQ(said, (words{"cleaned up", "left"}));
}

TEST_F(scope_test, the_failure_of_a_grandchild_climbs_through_all_scopes) {
  EXPECT_THROW(ramie::run([&](scope& s) {
                 s.spawn([&] {
                   ramie::with_scope([&](scope& inner) {
                     inner.spawn([] { throw std::domain_error("deep"); });
                     ramie::this_task::sleep_for(1h);
                   });
                 });
                 ramie::this_task::sleep_for(1h);
               }),
               std::domain_error);
}

TEST_F(scope_test, a_second_failure_goes_to_the_unseen_error_hook) {
  static std::string unseen;
  unseen.clear();
  const ramie::runtime_options options = {.unseen_error = [](std::exception_ptr error, const char* name) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& failure) {
      unseen = std::string(name) + ": " + failure.what();
    }
  }};
  EXPECT_THROW(ramie::run(
                   [](scope& s) {
                     s.spawn(
                         [] {
                           try {
                             ramie::this_task::sleep_for(1h);
                           } catch (const ramie::cancelled&) {
                             throw std::runtime_error("two");
                           }
                         },
                         {.name = "second"});
                     s.spawn([] { throw std::runtime_error("one"); });
                     ramie::this_task::sleep_for(1h);
                   },
                   options),
               std::runtime_error);
  EXPECT_EQ(unseen, "second: two");
}

TEST_F(scope_test, an_error_that_is_no_std_exception_comes_out_of_run) {
  EXPECT_THROW(ramie::run([] { throw 7; }), int);
  EXPECT_THROW(ramie::run([](scope& s) { s.spawn([] { throw 8; }); }), int);
}

TEST_F(scope_test, an_exception_that_is_returned_is_a_value) {
  ramie::run([](scope& s) {
    EXPECT_STREQ(s.spawn([] { return std::runtime_error("just a value"); }).get().what(), "just a value");
  });
}

TEST_F(scope_test, get_throws_what_escaped_and_join_does_not) {
  ramie::run([&] {
    task<int> t;
    EXPECT_THROW(ramie::with_scope([&](scope& s) {
                   t = s.spawn([]() -> int { throw std::range_error("x"); });
                   EXPECT_THROW(t.join(), ramie::cancelled);
                   throw std::range_error("x");
                 }),
                 std::range_error);
    EXPECT_NO_THROW(t.join());
    EXPECT_THROW(t.get(), std::range_error);
    EXPECT_EQ(t.state(), task_state::failed);
  });
}

TEST_F(scope_test, a_scope_that_has_ended_spawns_no_more) {
  ramie::run([&] {
    scope* kept = nullptr;
    ramie::with_scope([&](scope& s) { kept = &s; });
    say("ended");
  });
  EXPECT_EQ(said, words{"ended"});
}

TEST_F(scope_test, children_may_spawn_into_the_scope_that_they_were_spawned_in) {
  ramie::run([&](scope& s) {
    s.spawn([&] {
      s.spawn([&] { say("grandchild"); });
      say("child");
    });
  });
  EXPECT_EQ(said, (words{"child", "grandchild"}));
}

TEST_F(scope_test, join_of_a_scope_waits_for_the_children_so_far) {
  ramie::run([&](scope& s) {
    s.spawn([&] {
      ramie::this_task::yield();
      say("first");
    });
    s.join();
    say("joined");
    s.spawn([&] { say("second"); });
  });
  EXPECT_EQ(said, (words{"first", "joined", "second"}));
}

TEST_F(scope_test, a_transient_child_keeps_nobody_waiting_and_may_clean_up) {
  ramie::run([&] {
    ramie::with_scope([&](scope& s) {
      s.spawn(
          [&] {
            try {
              ramie::this_task::sleep_for(1h);
            } catch (const ramie::cancelled&) {
              for (int i = 0; i < 5; ++i) ramie::this_task::yield();
              say("finished");
              throw;
            }
          },
          {.transient = true});
      s.spawn([&] {
        ramie::this_task::yield();
        say("work");
      });
    });
    say("left");
  });
  EXPECT_EQ(said, (words{"work", "finished", "left"}));
}

TEST_F(scope_test, when_all_gives_the_results_in_order_and_nothing_for_void) {
  ramie::run([&] {
    auto [number, nothing, text] = ramie::when_all(
        [] {
          ramie::this_task::sleep_for(2ms);
          return 1;
        },
        [&] { say("void"); }, [] { return std::string("three"); });
    EXPECT_EQ(number, 1);
    EXPECT_EQ(text, "three");
    static_cast<void>(nothing);
  });
}

TEST_F(scope_test, when_all_throws_the_first_failure_and_cancels_the_others) {
  ramie::run([&] {
    EXPECT_THROW(ramie::when_all(
                     [&] {
                       resident here(residents);
                       ramie::this_task::sleep_for(1h);
                     },
                     [] { throw std::runtime_error("x"); }),
                 std::runtime_error);
  });
}

TEST_F(scope_test, when_any_takes_the_first_success_and_cancels_the_rest) {
  ramie::run([&] {
    auto first = ramie::when_any(
        [&] {
          resident here(residents);
          ramie::this_task::sleep_for(1h);
          return 1;
        },
        []() -> int { throw std::runtime_error("not this one"); }, [] { return std::string("won"); });
    ASSERT_EQ(first.index(), 2U);
    EXPECT_EQ(std::get<2>(first), "won");
  });
}

TEST_F(scope_test, when_any_of_failures_only_throws_the_first) {
  ramie::run([] {
    EXPECT_THROW(ramie::when_any([] { throw std::out_of_range("a"); },
                                 [] {
                                   ramie::this_task::yield();
                                   throw std::length_error("b");
                                 }),
                 std::out_of_range);
  });
}

TEST_F(scope_test, fiber_locals_are_inherited_from_the_spawner) {
  static ramie::fiber_local<int> depth(0);
  ramie::run([&](scope& s) {
    depth = 5;
    auto t = s.spawn([] {
      const int inherited = depth.get();
      depth = 9;
      return inherited;
    });
    depth = 6;
    EXPECT_EQ(t.get(), 5);
    EXPECT_EQ(depth.get(), 6);
  });
}

TEST_F(scope_test, a_task_with_a_stack_of_its_own_inherits_locals_too) {
  static ramie::fiber_local<int> depth(0);
  ramie::run([&](scope& s) {
    depth = 5;
    s.spawn([] {});  // its stack is offered to the next, which wants another
    auto t = s.spawn([] { return depth.get(); }, {.stack_bytes = 512 << 10});
    EXPECT_EQ(t.get(), 5);
  });
}

// Control goes from task to task directly where nothing is in flight and through the loop where something is: the order
// must not tell which, and everything that belongs to a task must come back with it.
TEST_F(scope_test, tasks_take_turns_in_order_whatever_they_carry) {
  constexpr int kinds = 5, tasks = 40, rounds = 25;
  std::vector<int> order;
  ramie::run([&](scope& s) {
    for (int i = 0; i < tasks; ++i) {
      const auto turns = [&, i] {
        for (int round = 0; round < rounds; ++round) {
          order.push_back(i);
          errno = i;
          ramie::this_task::yield();
          EXPECT_EQ(errno, i);
        }
      };
      const auto body = [turns, i] {
        switch (i % kinds) {
          case 0:
            return turns();
          case 1:  // in a handler
            try {
              throw i;
            } catch (int caught) {
              turns();
              EXPECT_EQ(caught, i);
              EXPECT_TRUE(std::current_exception() != nullptr);
            }
            return;
          case 2: {  // on a fiber that the task has resumed
            ramie::fiber inner(turns);
            while (inner.resume()) {
            }
            return;
          }
          case 3: {  // on a fiber that another one has transferred to
            ramie::fiber second(turns);
            ramie::fiber first([&] { second.transfer(); });
            first.resume();
            return;
          }
          default: {  // a destructor that runs because of an exception
            struct waits {
              const decltype(turns)& run;
              ~waits() { run(); }
            };
            try {
              const waits last{turns};
              throw i;
            } catch (int caught) {
              EXPECT_EQ(caught, i);
            }
          }
        }
      };
      s.spawn(body, {.stack_bytes = i % 7 == 3 ? std::size_t{256} << 10 : 0});
    }
  });
  ASSERT_EQ(order.size(), static_cast<std::size_t>(tasks * rounds));
  for (std::size_t turn = 0; turn < order.size(); ++turn)
    ASSERT_EQ(order[turn], static_cast<int>(turn % tasks)) << turn;
}

TEST_F(scope_test, suspend_at_the_base_of_a_task_is_refused_and_names_yield) {
  ramie::run([&] {
    try {
      ramie::this_fiber::suspend();
      FAIL();
    } catch (const ramie::fiber_error& refused) {
      EXPECT_EQ(refused.code(), ramie::fiber_errc::base_of_task);
      EXPECT_NE(std::string(refused.what()).find("this_task::yield()"), std::string::npos);
    }
  });
}

TEST_F(scope_test, a_fiber_inside_a_task_may_wait_and_the_whole_chain_waits) {
  ramie::run([&](scope& s) {
    s.spawn([&] { say("other"); });
    ramie::fiber inner([&] {
      say("before");
      ramie::this_task::sleep_for(1ms);
      say("after");
      ramie::this_fiber::suspend();
      say("end");
    });
    EXPECT_TRUE(inner.resume());
    say("resumed");
    EXPECT_FALSE(inner.resume());
  });
  EXPECT_EQ(said, (words{"before", "other", "after", "resumed", "end"}));
}

TEST_F(scope_test, a_fiber_parked_in_one_task_cannot_be_resumed_by_another) {
  ramie::run([&](scope& s) {
    ramie::fiber shared([] { ramie::this_task::sleep_for(2ms); });
    s.spawn([&] {
      try {
        shared.resume();
        FAIL();
      } catch (const ramie::fiber_error& refused) {
        say(refused.code() == ramie::fiber_errc::already_resumed ? "refused" : refused.what());
      }
    });
    shared.resume();
    s.join();
  });
  EXPECT_EQ(said, words{"refused"});
}

TEST_F(scope_test, a_wait_inside_a_catch_block_keeps_the_exception) {
  ramie::run([&](scope& s) {
    for (const char* text : {"a", "b", "c"}) {
      s.spawn([&, text] {
        try {
          throw std::runtime_error(text);
        } catch (const std::runtime_error& caught) {
          ramie::this_task::yield();
          ramie::this_task::sleep_for(1ms);
          EXPECT_STREQ(caught.what(), text);
          try {
            throw;
          } catch (const std::runtime_error& again) {
            say(again.what());
          }
        }
      });
    }
  });
  EXPECT_EQ(said, (words{"a", "b", "c"}));
}

TEST_F(scope_test, errno_belongs_to_the_task) {
  ramie::run([&](scope& s) {
    for (int i = 1; i < 4; ++i) {
      s.spawn([i] {
        errno = i;
        ramie::this_task::yield();
        EXPECT_EQ(errno, i);
      });
    }
  });
}

TEST_F(scope_test, a_hundred_thousand_children_are_cancelled_at_once) {
#if defined(__SANITIZE_THREAD__)
  constexpr int count = 300;
#elif defined(__SANITIZE_ADDRESS__)
  constexpr int count = 5'000;
#else
  constexpr int count = 100'000;
#endif
  ramie::run([&] {
    ramie::with_scope([&](scope& s) {
      for (int i = 0; i < count; ++i) {
        s.spawn([&] {
          resident here(residents);
          ramie::this_task::sleep_for(1h);
        });
      }
      ramie::this_task::yield();
      EXPECT_EQ(residents, count);
      s.cancel();
    });
  });
}

TEST_F(scope_test, a_task_that_kills_its_own_fiber_is_cancelled) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      resident here(residents);
      ramie::this_fiber::ref().kill();
    });
    t.join();
    EXPECT_EQ(t.state(), task_state::cancelled);
  });
}

TEST_F(scope_test, a_stack_that_is_refused_fails_the_task_alone_with_its_reason) {
  ramie::run([&] {
    EXPECT_THROW(ramie::with_scope([](scope& s) { s.spawn([] {}, {.stack_bytes = std::size_t{1} << 40}); }),
                 ramie::stack_error);
  });
}

TEST_F(scope_test, when_any_passes_over_a_failure_of_any_type) {
  ramie::run([] {
    const auto first = ramie::when_any([]() -> int { throw 5; }, [] { return 2; });
    EXPECT_EQ(first.index(), 1U);
    EXPECT_THROW(ramie::when_any([]() -> int { throw 5; }), int);
  });
}

TEST_F(scope_test, references_of_any_kind_are_results) {
  ramie::run([](scope& s) {
    int value = 1;
    const auto all = ramie::when_all([&]() -> int& { return value; }, [] {}, [] { return std::make_unique<int>(2); });
    EXPECT_EQ(&std::get<0>(all), &value);
    EXPECT_EQ(*std::get<2>(all), 2);
    auto moved = s.spawn([&]() -> int&& { return std::move(value); });
    int&& result = moved.get();
    EXPECT_EQ(&result, &value);
  });
}

TEST_F(scope_test, functions_and_results_lie_as_their_types_ask) {
  struct alignas(256) wide {
    int value = 0;
    [[nodiscard]] bool lies_well() const { return reinterpret_cast<std::uintptr_t>(this) % alignof(wide) == 0; }
  };
  ramie::run([](scope& s) {
    for (int i = 0; i < 10; ++i) {
      auto result = s.spawn([i] { return wide{i}; });
      auto function = s.spawn([held = wide{i}] { return held.lies_well() ? held.value : -1; });
      EXPECT_EQ(result.get().value, i);
      EXPECT_EQ(function.get(), i);
    }
  });
}

}  // namespace
}  // namespace ramie_test
