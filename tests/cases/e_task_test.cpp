// The behaviour cases of docs/cases.md, section E: tasks, and how they are stopped; of C what needs a scheduler.
#include "cases/task_cases.hpp"

#include <ramie/channel.hpp>
#include <ramie/event.hpp>
#include <ramie/generator.hpp>
#include <ramie/throttle.hpp>
#include <ramie/views.hpp>

#include <atomic>
#include <optional>
#include <thread>

namespace cases {
namespace {

// C26, C28
TEST(e_task_test, a_generator_whose_source_waits_is_pulled_inside_and_outside_of_others) {
  const auto sleepy = [] {
    return ramie::generator<int>([](auto& yield) {
      for (int i = 1; i <= 2; ++i) {
        this_task::sleep_for(1ms);
        yield(i);
      }
    });
  };
  numbers inside, zipped;
  int others = 0;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] {
          for (; others < 10; ++others) this_task::sleep_for(100us);
        });
        for (const int one : sleepy()) inside.push_back(one);
        EXPECT_EQ(others, 10) << "the thread was blocked";
        auto pulled = sleepy();
        EXPECT_EQ(pulled.next(), 1);
        EXPECT_EQ(pulled.next(), 2);
        EXPECT_EQ(pulled.next(), std::nullopt);
        auto left = sleepy(), right = sleepy();
        for (auto [a, b] : ramie::views::zip(left, right)) zipped.push_back(a * 10 + b);
      },
      fake_time);
  EXPECT_EQ(inside, (numbers{1, 2}));
  EXPECT_EQ(zipped, (numbers{11, 22}));
}

// C26
TEST(e_task_test, a_generator_that_receives_lets_another_task_send) {
  std::string got;
  ramie::run(
      [&](scope& s) {
        ramie::channel<char> letters;
        s.spawn([&] {
          for (const char one : std::string("Hello World")) letters.send(one);
          letters.close();
        });
        ramie::generator<char> each_letter([&](auto& yield) {
          while (const auto one = letters.receive()) yield(*one);
        });
        while (const auto one = each_letter.next()) got += *one;
        s.join();
      },
      fake_time);
  EXPECT_EQ(got, "Hello World");
}

// E08
TEST(e_task_test, a_task_that_cancels_itself_goes_on_to_its_next_wait_and_no_further) {
  words said;
  ramie::run(
      [&](scope& s) {
        task<void> self;
        self = s.spawn([&] {
          EXPECT_TRUE(self.cancel());
          said.push_back("sleeping");
          this_task::sleep_for(1s);
          said.push_back("unreachable");
        });
        self.join();
        EXPECT_EQ(self.state(), task_state::cancelled);
      },
      fake_time);
  EXPECT_EQ(said, words{"sleeping"});
}

// E11
TEST(e_task_test, a_producer_that_its_consumer_resumed_unwinds_when_the_consumer_is_stopped) {
  words said;
  int last = 0;
  ramie::run(
      [&](scope& s) {
        auto consumer = s.spawn([&] {
          ramie::generator<int> items([&](auto& yield) {
            struct leaving {
              words& to;
              ~leaving() { to.push_back("producer left"); }
            } const mark{said};
            for (int i = 1; i <= 3; ++i) yield(i);
            this_task::sleep_for(1h);
            yield(4);
          });
          for (const int item : items) last = item;
        });
        settle();
        consumer.cancel();
        consumer.join();
        EXPECT_EQ(consumer.state(), task_state::cancelled);
      },
      fake_time);
  EXPECT_EQ(last, 3);
  EXPECT_EQ(said, words{"producer left"});
}

// E12
TEST(e_task_test, a_child_that_is_cancelled_again_while_its_parent_unwinds_is_cancelled_once) {
  ramie::run(
      [](scope& s) {
        task<void> parent, child;
        child = s.spawn([] { this_task::sleep_for(1h); });
        parent = s.spawn([&] {
          try {
            child.join();
          } catch (const ramie::cancelled&) {
            child.cancel();
            throw;
          }
        });
        settle();
        EXPECT_TRUE(parent.cancel());
        EXPECT_TRUE(child.cancel());
        parent.join();
        child.join();
        EXPECT_EQ(parent.state(), task_state::cancelled);
        EXPECT_EQ(child.state(), task_state::cancelled);
      },
      fake_time);
}

// E13
TEST(e_task_test, stopping_the_top_stops_all_below_it_innermost_first) {
  words said;
  const auto wait_and_say = [&](const char* name) {
    try {
      this_task::sleep_for(1h);
    } catch (const ramie::cancelled&) {
      said.push_back(name);
      throw;
    }
  };
  ramie::run(
      [&](scope& s) {
        auto top = s.spawn([&] {
          try {
            ramie::with_scope([&](scope& middle) {
              middle.spawn([&] { ramie::with_scope([&](scope& low) { low.spawn([&] { wait_and_say("leaf"); }); }); });
            });
          } catch (const ramie::cancelled&) {
            said.push_back("top");
            throw;
          }
        });
        settle();
        top.cancel();
        top.join();
        EXPECT_EQ(top.state(), task_state::cancelled);
      },
      fake_time);
  EXPECT_EQ(said, (words{"leaf", "top"}));
}

// E15
TEST(e_task_test, one_that_was_woken_already_is_told_at_its_next_wait) {
  words said;
  ramie::run(
      [&](scope& s) {
        ramie::event go;
        auto woken = s.spawn([&] {
          go.wait();
          said.push_back("woken");
          this_task::sleep_for(1h);
          said.push_back("unreachable");
        });
        settle();
        go.set();  // it is ready from here on
        woken.cancel();
        woken.join();
        EXPECT_EQ(woken.state(), task_state::cancelled);
      },
      fake_time);
  EXPECT_EQ(said, words{"woken"});
}

// E19
TEST(e_task_test, a_transient_task_outlives_who_spawned_it_and_ends_with_its_scope) {
  words said;
  ramie::run(
      [&] {
        ramie::with_scope([&](scope& s) {
          task<void> transient;
          auto parent = s.spawn([&] {
            transient = s.spawn(
                [&] {
                  try {
                    this_task::sleep_for(1h);
                  } catch (const ramie::cancelled&) {
                    said.push_back("transient ended");
                    throw;
                  }
                },
                {.transient = true});
          });
          parent.join();
          settle();
          EXPECT_FALSE(parent.cancel());
          EXPECT_EQ(transient.state(), task_state::waiting);
          said.push_back("scope ends");
        });
      },
      fake_time);
  EXPECT_EQ(said, (words{"scope ends", "transient ended"}));
}

// E20
TEST(e_task_test, join_of_a_scope_waits_for_grandchildren_and_passes_over_transient_ones) {
  words said;
  ramie::run(
      [&](scope& outermost) {
        outermost.join();  // nobody is there
        ramie::with_scope([&](scope& s) {
          s.spawn([&] {
            ramie::with_scope([&](scope& inner) {
              inner.spawn([&] {
                this_task::sleep_for(10ms);
                said.push_back("grandchild");
              });
            });
            said.push_back("child");
          });
          s.spawn([] { this_task::sleep_for(1h); }, {.transient = true});
          s.join();
          said.push_back("parent");
        });
      },
      fake_time);
  EXPECT_EQ(said, (words{"grandchild", "child", "parent"}));
}

// E21
TEST(e_task_test, a_join_with_a_limit_of_nothing_of_a_little_and_of_enough) {
  ramie::run(
      [](scope& s) {
        auto one = s.spawn([] {
          this_task::sleep_for(100ms);
          return 42;
        });
        const auto began = this_task::now();
        EXPECT_THROW(ramie::with_timeout(0ms, [&] { one.join(); }), ramie::timed_out);
        EXPECT_EQ(this_task::now(), began);
        EXPECT_THROW(ramie::with_timeout(1ms, [&] { one.join(); }), ramie::timed_out);
        EXPECT_EQ(ramie::try_for(1s, [&] { return one.get(); }), std::optional(42));
      },
      fake_time);
}

// E41
TEST(e_task_test, stop_from_another_thread_ends_all_and_waits_for_a_shielded_cleanup) {
  words said;
  ramie::runtime here;
  std::atomic<bool> sleeps = false;
  std::thread other([&] {
    while (!sleeps) std::this_thread::yield();
    here.stop(error_named("interrupted"));
    here.stop(error_named("interrupted again"));  // does nothing more: a shield has a limit of its own
  });
  try {
    here.run([&] {
      try {
        sleeps = true;
        this_task::sleep_for(1h);
      } catch (const ramie::cancelled&) {
        ramie::with_shield(1s, [&] {
          this_task::sleep_for(10ms);
          said.push_back("cleaned up");
        });
        throw;
      }
    });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ramie::task_cancelled& stopped) {
    said.push_back(text_of(stopped.cause()));
  }
  other.join();
  EXPECT_EQ(said, (words{"cleaned up", "interrupted"}));
}

// E43
TEST(e_task_test, run_works_in_the_body_of_a_generator_and_its_tasks_cannot_yield_to_the_consumer) {
  words said;
  ramie::generator<int> works([&](auto& yield) { yield(ramie::run([] { return 1; })); });
  EXPECT_EQ(works.next(), 1);
  EXPECT_EQ(works.next(), std::nullopt);
  ramie::generator<int> refused([&](auto& yield) {
    ramie::run([&] {
      try {
        yield(2);
        said.push_back("yielded");
      } catch (const ramie::fiber_error&) {
        said.push_back("refused");
      }
    });
    yield(3);
  });
  EXPECT_EQ(refused.next(), 3);
  EXPECT_EQ(said, words{"refused"});
}

// E45
TEST(e_task_test, children_that_end_while_others_are_looked_at_leave_the_others_in_order) {
  ramie::run(
      [](scope& s) {
        ramie::event end_the_middle;
        s.spawn([] { this_task::sleep_for(1s); }, {.name = "first"});
        s.spawn([&] { end_the_middle.wait(); }, {.name = "middle"});
        s.spawn([] { this_task::sleep_for(1s); }, {.name = "last"});
        settle();
        end_the_middle.set();
        settle();
        const std::string seen = ramie::dump_tasks({.stacks = false});
        EXPECT_NE(seen.find("'first'"), seen.npos);
        EXPECT_EQ(seen.find("'middle'"), seen.npos);
        EXPECT_NE(seen.find("'last'"), seen.npos);
        EXPECT_EQ(s.size(), 2U);
      },
      fake_time);
}

// E47
TEST(e_task_test, a_periodic_loop_goes_on_after_an_error_and_keeps_its_interval) {
  std::vector<std::chrono::steady_clock::time_point> began;
  ramie::run(
      [&] {
        ramie::throttle every(1, 10ms);
        for (int round = 0; round < 5; ++round) {
          every.wait();
          began.push_back(this_task::now());
          try {
            this_task::sleep_for(3ms);
            if (round == 2) throw std::runtime_error("this round fails");
          } catch (const std::runtime_error&) {
          }
        }
      },
      fake_time);
  ASSERT_EQ(began.size(), 5U);
  for (std::size_t i = 1; i < began.size(); ++i) EXPECT_EQ(began[i] - began[i - 1], 10ms) << i;
}

}  // namespace
}  // namespace cases
