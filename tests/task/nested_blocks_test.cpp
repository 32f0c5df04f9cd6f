// Blocks (scopes, limits, shields) where they overlap with fibers, handlers, destructors, and each other, very deep.
#include "task/task_world.hpp"

#include <ramie/channel.hpp>
#include <ramie/generator.hpp>

namespace ramie_test {
namespace {

using ramie::cancelled;
using ramie::generator;
using ramie::scope;
using ramie::with_scope;
using std::chrono::steady_clock;

class nested_blocks_test : public task_world {
 protected:
  static steady_clock::duration since(steady_clock::time_point start) { return ramie::this_task::now() - start; }
};

void nest(int depth) {
  if (depth == 0) return ramie::this_task::sleep_for(1h);
  with_scope([&](scope& s) { s.spawn([depth] { nest(depth - 1); }); });
}

// Of generators and fibers that are suspended inside of their blocks.

TEST_F(nested_blocks_test, a_generator_with_a_scope_is_pulled_inside_of_limits) {
  const auto sum = ramie::run(
      [] {
        generator<int> source([](auto& yield) {
          with_scope([&](scope& s) {
            for (int i = 1; i <= 3; ++i) {
              auto t = s.spawn([i] {
                ramie::this_task::sleep_for(1ms);
                return i;
              });
              yield(t.get());
            }
          });
        });
        int total = 0;
        while (auto value = ramie::with_timeout(1s, [&] { return source.next(); })) total += *value;
        return total;
      },
      fake_time);
  EXPECT_EQ(sum, 6);
}

TEST_F(nested_blocks_test, two_generators_with_scopes_take_turns) {
  const auto make = [](int count) {
    return generator<int>([count](auto& yield) {
      with_scope([&](scope& s) {
        for (int i = 0; i < count; ++i) yield(s.spawn([i] { return i; }).get());
      });
    });
  };
  ramie::run([&] {
    auto one = make(3), other = make(5);
    int sum = 0;
    for (bool more = true; more;) {
      more = false;
      for (auto* from : {&one, &other}) {
        if (auto value = from->next()) {
          sum += *value;
          more = true;
        }
      }
    }
    EXPECT_EQ(sum, 0 + 1 + 2 + 0 + 1 + 2 + 3 + 4);
  });
}

TEST_F(nested_blocks_test, a_limit_in_a_suspended_generator_is_heard_when_it_goes_on) {
  ramie::run(
      [&] {
        generator<int> source([&](auto& yield) {
          try {
            ramie::with_timeout(5ms, [&] {
              yield(1);
              ramie::this_task::sleep_for(1h);
            });
          } catch (const ramie::timed_out&) {
            say("over");
            yield(2);
          }
        });
        EXPECT_EQ(source.next(), 1);
        ramie::this_task::sleep_for(10ms);  // not its consumer's limit
        say("consumer");
        EXPECT_EQ(source.next(), 2);
      },
      fake_time);
  EXPECT_EQ(said, (words{"consumer", "over"}));
}

TEST_F(nested_blocks_test, a_failure_in_a_suspended_generators_scope_is_that_scopes) {
  ramie::run(
      [&] {
        generator<int> source([&](auto& yield) {
          try {
            with_scope([&](scope& s) {
              s.spawn([] { throw std::runtime_error("child"); });
              yield(1);
              ramie::this_task::sleep_for(1h);
            });
          } catch (const std::runtime_error& failure) {
            say(failure.what());
          }
          yield(2);
        });
        generator<int> neighbour([](auto& yield) {
          with_scope([&](scope& s) {
            auto t = s.spawn([] {
              ramie::this_task::sleep_for(5ms);
              return 3;
            });
            yield(0);
            yield(t.get());
          });
        });
        EXPECT_EQ(source.next(), 1);
        EXPECT_EQ(neighbour.next(), 0);
        settle();
        EXPECT_EQ(neighbour.next(), 3);
        EXPECT_EQ(source.next(), 2);
      },
      fake_time);
  EXPECT_EQ(said, words{"child"});
}

// Of handlers and destructors.

TEST_F(nested_blocks_test, a_limit_inside_of_a_handler_for_a_cancellation_ends_what_waits_there) {
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] {
          try {
            ramie::this_task::sleep_for(1h);
          } catch (const cancelled&) {
            const auto start = ramie::this_task::now();
            EXPECT_FALSE(ramie::try_for(1s, [] { ramie::this_task::sleep_for(1h); }));
            EXPECT_EQ(since(start), 1s);
            throw;
          }
        });
        settle();
        t.cancel();
      },
      fake_time);
}

TEST_F(nested_blocks_test, a_request_is_told_once_although_a_shield_in_its_handler_ran_out) {
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] {
          try {
            ramie::this_task::sleep_for(1h);
          } catch (const cancelled&) {
            EXPECT_FALSE(ramie::with_shield(1s, [] { ramie::this_task::sleep_for(1h); }));
            ramie::this_task::sleep_for(1s);
            say("cleaned up");
            throw;
          }
        });
        settle();
        t.cancel();
      },
      fake_time);
  EXPECT_EQ(said, words{"cleaned up"});
}

TEST_F(nested_blocks_test, a_shields_grace_ends_a_destructor_that_another_exception_has_called) {
  ramie::run(
      [&] {
        struct flusher {
          ~flusher() {
            const auto start = ramie::this_task::now();
            EXPECT_FALSE(ramie::with_shield(1s, [] { ramie::this_task::sleep_for(1h); }));
            EXPECT_EQ(since(start), 1s);
          }
        };
        try {
          const flusher last;
          throw std::runtime_error("failed");
        } catch (const std::runtime_error& failure) {
          say(failure.what());
        }
        EXPECT_FALSE(ramie::try_for(1ms, [] {
          const flusher last;
          ramie::this_task::sleep_for(1h);
        }));
      },
      fake_time);
  EXPECT_EQ(said, words{"failed"});
}

// Of depth: no stack of a task may limit it.

TEST_F(nested_blocks_test, a_task_cancels_and_dumps_scopes_that_are_nested_deeper_than_its_stack) {
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([] { nest(2000); });
        settle();
        EXPECT_NE(ramie::dump_tasks({.stacks = false}).find("sleep"), std::string::npos);
        t.cancel();
        t.join();
        EXPECT_EQ(t.state(), ramie::task_state::cancelled);
      },
      fake_time);
}

}  // namespace
}  // namespace ramie_test
