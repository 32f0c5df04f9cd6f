// Calls that own all that they touch, and are left to themselves when their caller is told to go.
#include "offload/offload_world.hpp"

#include <memory>
#include <string>

namespace ramie_test {
namespace {

class abandon_test : public offload_world {
 protected:
  // Holds a function until it is opened; owned by both sides.
  struct gate {
    std::atomic<bool> open = false;
    std::atomic<bool> reached = false;
    void pass() {
      reached = true;
      while (!open) std::this_thread::sleep_for(1ms);
    }
  };
  void wait_until_empty() const {
    while (pool.statistics().running != 0) std::this_thread::sleep_for(1ms);
  }
};

TEST_F(abandon_test, a_result_and_a_failure_come_back_as_from_a_plain_call) {
  const auto ask = [&] {
    EXPECT_EQ(pool.run_abandonable([text = std::string(100, 'x')] { return text + "y"; }), std::string(100, 'x') + "y");
    EXPECT_THROW(pool.run_abandonable([] { throw std::runtime_error("told"); }), std::runtime_error);
    auto moved = pool.run_abandonable([one = std::make_unique<int>(7)]() mutable { return std::move(one); });
    EXPECT_EQ(*moved, 7);
    // A thread of the pool runs a further one at once.
    EXPECT_EQ(pool.run_abandonable([&here = pool] { return here.run_abandonable([] { return 3; }); }), 3);
  };
  ask();  // a thread without a scheduler
  ramie::run(ask);
  EXPECT_EQ(pool.statistics().abandoned, 0U);
}

TEST_F(abandon_test, one_that_hangs_is_left_at_the_deadline_and_frees_what_it_owns_when_it_has_returned) {
  auto hanging = std::make_shared<gate>();
  const std::weak_ptr<gate> owned = hanging;
  std::weak_ptr<int> result;
  ramie::run([&] {
    EXPECT_THROW(ramie::with_timeout(5ms,
                                     [&] {
                                       pool.run_abandonable([hanging, &result] {
                                         auto made = std::make_shared<int>(1);
                                         result = made;
                                         hanging->pass();
                                         return made;
                                       });
                                     }),
                 ramie::timed_out);
    EXPECT_EQ(pool.statistics().abandoned, 1U);
    EXPECT_EQ(pool.statistics().running, 1U);
    EXPECT_EQ(pool.run_abandonable([] { return 2; }), 2);  // the second thread serves
    EXPECT_FALSE(owned.expired());
  });  // the program's tasks have ended, and the function has not
  EXPECT_EQ(pool.statistics().running, 1U);
  hanging->open = true;
  hanging.reset();
  wait_until_empty();
  while (!owned.expired() || !result.expired()) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(pool.statistics().done, 2U);
}

TEST_F(abandon_test, what_escapes_an_abandoned_function_is_dropped) {
  auto hanging = std::make_shared<gate>();
  ramie::run([&] {
    const bool in_time = ramie::try_for(5ms, [&] {
      pool.run_abandonable([hanging] {
        hanging->pass();
        throw std::runtime_error("nobody listens");
      });
    });
    EXPECT_FALSE(in_time);
  });
  hanging->open = true;
  wait_until_empty();
}

TEST_F(abandon_test, one_that_waits_for_a_thread_is_taken_back_and_destroyed_here) {
  auto hanging = std::make_shared<gate>();
  auto mine = std::make_shared<int>(0);
  ramie::run([&](ramie::scope& s) {
    for (int i = 0; i < 2; ++i) s.spawn([&] { pool.run_abandonable([hanging] { hanging->pass(); }); });
    wait_for_running(2);
    EXPECT_FALSE(ramie::try_for(1ms, [&] { pool.run_abandonable([mine] { ++*mine; }); }));
    EXPECT_EQ(mine.use_count(), 1);
    EXPECT_EQ(pool.statistics().withdrawn, 1U);
    hanging->open = true;
  });
  EXPECT_EQ(*mine, 0);
}

TEST_F(abandon_test, the_end_of_a_pool_waits_for_those_that_were_abandoned) {
  auto hanging = std::make_shared<gate>();
  std::thread opener;
  {
    ramie::offload_pool other({.threads = 1, .name = "other"});
    ramie::run(
        [&] { EXPECT_FALSE(ramie::try_for(1ms, [&] { other.run_abandonable([hanging] { hanging->pass(); }); })); });
    opener = std::thread([hanging] {
      while (!hanging->reached) std::this_thread::sleep_for(1ms);
      hanging->open = true;
    });
  }
  opener.join();
  EXPECT_EQ(hanging.use_count(), 1);
}

TEST_F(abandon_test, abandoning_at_any_moment_of_a_call_loses_and_doubles_nothing) {
  auto alive = std::make_shared<int>(0);
  int returned = 0, left = 0;
  ramie::run([&] {
    for (int i = 0; i < 2'000; ++i) {
      const auto result = ramie::try_for(std::chrono::microseconds(i % 40),
                                         [&] { return pool.run_abandonable([alive] { return alive; }); });
      (result ? returned : left) += 1;
    }
  });
  EXPECT_EQ(returned + left, 2'000);
  wait_until_empty();
  while (alive.use_count() != 1) std::this_thread::sleep_for(1ms);
  const auto told = pool.statistics();
  EXPECT_EQ(told.done + told.withdrawn, 2'000U);
}

}  // namespace
}  // namespace ramie_test
