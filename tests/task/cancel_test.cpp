// Cancelling: who is told, when, how often, and what a shield keeps away.
#include "task/task_world.hpp"

#include <stdexcept>

namespace ramie_test {
namespace {

using ramie::cancelled;
using ramie::scope;
using ramie::task;
using ramie::task_state;

class cancel_test : public task_world {};

TEST_F(cancel_test, a_task_that_has_not_started_never_runs) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] { say("ran"); });
    EXPECT_TRUE(t.cancel(error_named("no need")));
    t.join();
    EXPECT_EQ(t.state(), task_state::cancelled);
    try {
      t.get();
    } catch (const ramie::task_cancelled& refused) {
      say(text_of(refused.cause()));
    }
  });
  EXPECT_EQ(said, words{"no need"});
}

TEST_F(cancel_test, cancel_of_one_that_has_ended_or_was_asked_does_nothing) {
  ramie::run([&](scope& s) {
    auto ended = s.spawn([] {});
    ended.join();
    EXPECT_FALSE(ended.cancel());
    auto asked = s.spawn([] { ramie::this_task::sleep_for(1h); });
    EXPECT_TRUE(asked.cancel());
    EXPECT_FALSE(asked.cancel());
  });
}

TEST_F(cancel_test, a_waiting_task_is_told_where_it_waits_and_its_stack_unwinds) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      resident here(residents);
      ramie::this_task::sleep_for(1h);
      say("never");
    });
    ramie::this_task::yield();
    t.cancel();
    t.join();
    EXPECT_EQ(t.state(), task_state::cancelled);
  });
  EXPECT_EQ(said, words{});
}

TEST_F(cancel_test, a_running_task_is_told_at_its_next_wait_and_at_check) {
  ramie::run([&](scope& s) {
    task<void> t;
    t = s.spawn([&] {
      t.cancel();
      say("goes on");
      ramie::this_task::yield();  // lets others run, and tells nothing
      say("still");
      ramie::this_task::check();
      say("never");
    });
    s.join();
  });
  EXPECT_EQ(said, (words{"goes on", "still"}));
}

TEST_F(cancel_test, it_is_told_once_so_that_cleaning_up_may_wait) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      try {
        ramie::this_task::sleep_for(1h);
      } catch (const cancelled&) {
        ramie::this_task::sleep_for(1ms);
        ramie::this_task::check();
        say("cleaned up");
        throw;
      }
    });
    ramie::this_task::yield();
    t.cancel();
    t.join();
    EXPECT_EQ(t.state(), task_state::cancelled);
  });
  EXPECT_EQ(said, words{"cleaned up"});
}

TEST_F(cancel_test, a_swallowed_cancellation_is_reported_and_delivered_again) {
  testing::internal::CaptureStderr();
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      for (int i = 0; i < 2; ++i) {
        try {
          ramie::this_task::sleep_for(1h);
        } catch (...) {
          say("kept");
        }
      }
      ramie::this_task::sleep_for(1h);
      say("never");
    });
    ramie::this_task::yield();
    t.cancel();
    t.join();
    EXPECT_EQ(t.state(), task_state::cancelled);
  });
  const std::string report = testing::internal::GetCapturedStderr();
  EXPECT_NE(report.find("kept a cancellation"), std::string::npos) << report;
  EXPECT_EQ(said, (words{"kept", "kept"}));
}

TEST_F(cancel_test, a_handler_for_std_exception_does_not_keep_it) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      for (;;) {
        try {
          ramie::this_task::sleep_for(1h);
        } catch (const std::exception&) {
          say("kept");
        }
      }
    });
    ramie::this_task::yield();
    t.cancel();
  });
  EXPECT_EQ(said, words{});
}

TEST_F(cancel_test, parent_child_and_grandchild_see_the_same_cause) {
  const std::exception_ptr why = error_named("shutdown");
  int same = 0;
  const auto waits = [&] {
    try {
      ramie::this_task::sleep_for(1h);
    } catch (const cancelled& told) {
      same += told.cause() == why ? 1 : 0;
      throw;
    }
  };
  ramie::run([&] {
    ramie::with_scope([&](scope& s) {
      s.spawn([&] {
        ramie::with_scope([&](scope& inner) {
          inner.spawn([&] { waits(); });
          waits();
        });
      });
      ramie::this_task::yield();
      ramie::this_task::yield();
      s.cancel(why);
      waits();
    });
  });
  EXPECT_EQ(same, 3);
}

TEST_F(cancel_test, cancelling_a_leaf_leaves_its_parents_alone) {
  ramie::run([&](scope& s) {
    s.spawn([&] {
      ramie::with_scope([&](scope& inner) {
        auto leaf = inner.spawn([] { ramie::this_task::sleep_for(1h); });
        ramie::this_task::yield();
        leaf.cancel();
        leaf.join();
        say("parent lives");
      });
      say("and goes on");
    });
  });
  EXPECT_EQ(said, (words{"parent lives", "and goes on"}));
}

TEST_F(cancel_test, an_inner_request_is_absorbed_by_the_inner_scope) {
  ramie::run([&] {
    ramie::with_scope([&](scope&) {
      ramie::with_scope([&](scope& inner) {
        inner.cancel();
        ramie::this_task::sleep_for(1h);
        say("never");
      });
      say("outer goes on");
    });
  });
  EXPECT_EQ(said, words{"outer goes on"});
}

TEST_F(cancel_test, with_two_requests_the_outermost_one_is_delivered) {
  ramie::run([&] {
    ramie::with_scope([&](scope& outer) {
      ramie::with_scope([&](scope& inner) {
        inner.cancel();
        outer.cancel();
        ramie::this_task::sleep_for(1h);
      });
      say("never");
    });
    say("left both");
  });
  EXPECT_EQ(said, words{"left both"});
}

TEST_F(cancel_test, a_request_from_further_out_is_news_while_an_inner_one_is_on_its_way) {
  ramie::run([&] {
    ramie::with_scope([&](scope& outer) {
      ramie::with_scope([&](scope& inner) {
        try {
          inner.cancel();
          ramie::this_task::sleep_for(1h);
        } catch (const cancelled& first) {
          EXPECT_EQ(first.cause(), nullptr);
          outer.cancel(error_named("outer"));
          try {
            ramie::this_task::sleep_for(1h);
          } catch (const cancelled& second) {
            say(text_of(second.cause()));
            throw;
          }
        }
      });
      say("never");
    });
  });
  EXPECT_EQ(said, words{"outer"});
}

TEST_F(cancel_test, a_cancelled_scope_with_a_value_due_throws_task_cancelled) {
  ramie::run([&] {
    EXPECT_THROW(ramie::with_scope([](scope& s) -> int {
                   s.cancel();
                   ramie::this_task::sleep_for(1h);
                   return 1;
                 }),
                 ramie::task_cancelled);
  });
}

TEST_F(cancel_test, cancelling_reaches_into_a_nested_fiber) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      ramie::fiber inner([&] {
        resident here(residents);
        try {
          ramie::this_task::sleep_for(1h);
        } catch (const cancelled&) {
          say("told inside");
          throw;
        }
      });
      inner.resume();
      say("never");
    });
    ramie::this_task::yield();
    t.cancel();
    t.join();
    EXPECT_EQ(t.state(), task_state::cancelled);
  });
  EXPECT_EQ(said, words{"told inside"});
}

TEST_F(cancel_test, joining_a_cancelled_task_does_not_cancel_the_joiner) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([] { ramie::this_task::sleep_for(1h); });
    auto joiner = s.spawn([&] {
      t.join();
      ramie::this_task::sleep_for(1ms);
      say("joined");
    });
    ramie::this_task::yield();
    t.cancel();
    joiner.join();
    EXPECT_EQ(joiner.state(), task_state::finished);
  });
  EXPECT_EQ(said, words{"joined"});
}

TEST_F(cancel_test, a_cancelled_joiner_leaves_the_joined_task_alone) {
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      ramie::this_task::sleep_for(2ms);
      say("done");
    });
    auto joiner = s.spawn([&] { t.join(); });
    ramie::this_task::yield();
    joiner.cancel();
    s.join();
  });
  EXPECT_EQ(said, words{"done"});
}

TEST_F(cancel_test, a_shield_keeps_requests_from_outside_away_until_its_grace_is_over) {
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] {
          const bool whole = ramie::with_shield(1s, [&] {
            ramie::this_task::sleep_for(500ms);
            say("not disturbed");
          });
          EXPECT_TRUE(whole);
          say("outside of the shield");
          ramie::this_task::sleep_for(1ms);
          say("never");
        });
        ramie::this_task::yield();
        t.cancel();
        t.join();
      },
      fake_time);
  EXPECT_EQ(said, (words{"not disturbed", "outside of the shield"}));
}

TEST_F(cancel_test, a_shield_whose_grace_is_over_lets_go) {
  ramie::run(
      [&] {
        EXPECT_FALSE(ramie::with_shield(10ms, [&] { ramie::this_task::sleep_for(1h); }));
        EXPECT_EQ(ramie::with_shield(10ms, [] { return 3; }), std::optional(3));
      },
      fake_time);
}

TEST_F(cancel_test, nothing_is_thrown_from_a_wait_while_an_exception_is_on_its_way) {
  struct waits_at_its_end {
    words* said;
    ~waits_at_its_end() {
      ramie::this_task::sleep_for(1ms);
      said->push_back("destroyed");
    }
  };
  ramie::run([&](scope& s) {
    auto t = s.spawn([&] {
      try {
        waits_at_its_end guard{&said};
        throw std::runtime_error("x");
      } catch (const std::runtime_error&) {
        say("caught");
      }
      ramie::this_task::check();
      say("never");
    });
    ramie::this_task::yield();
    t.cancel();
    t.join();
    EXPECT_EQ(t.state(), task_state::cancelled);
  });
  EXPECT_EQ(said, (words{"destroyed", "caught"}));
}

TEST_F(cancel_test, what_can_finish_at_once_does_so_although_it_was_told_to_go) {
  ramie::run([&](scope& s) {
    auto done = s.spawn([] { return 5; });
    done.join();
    task<void> t;
    t = s.spawn([&] {
      t.cancel();
      EXPECT_EQ(done.get(), 5);
      say("had it");
    });
    s.join();
  });
  EXPECT_EQ(said, words{"had it"});
}

TEST_F(cancel_test, a_child_spawned_into_a_cancelled_scope_does_not_run) {
  ramie::run([&] {
    ramie::with_scope([&](scope& s) {
      s.cancel();
      s.spawn([&] { say("ran"); });
    });
  });
  EXPECT_EQ(said, words{});
}

TEST_F(cancel_test, a_second_request_during_unwinding_does_not_call_off_what_a_destructor_waits_for) {
  struct sleeps_twice_at_its_end {
    ~sleeps_twice_at_its_end() {
      ramie::this_task::sleep_for(10ms);
      ramie::this_task::sleep_for(10ms);
    }
  };
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] {
          ramie::with_scope([&](scope& inner) {
            sleeps_twice_at_its_end guard;
            inner.cancel();
            ramie::this_task::sleep_for(1h);
          });
          say("inner is over");
          ramie::this_task::check();
          say("never");
        });
        ramie::this_task::sleep_for(5ms);
        t.cancel();
        t.join();
        EXPECT_EQ(t.state(), task_state::cancelled);
      },
      fake_time);
  EXPECT_EQ(said, words{"inner is over"});
}

}  // namespace
}  // namespace ramie_test
