// The behaviour cases of docs/cases.md, section I: nobody starves.
#include "cases/task_cases.hpp"

#include <ramie/channel.hpp>
#include <ramie/event.hpp>

#include <chrono>
#include <thread>

namespace cases {
namespace {

// I08. The clock is the real one: what must not happen is that the timer never fires.
TEST(i_fairness_test, a_pair_that_is_always_ready_keeps_neither_a_timer_nor_a_thread_waiting) {
  words said;
  ramie::run([&](scope& s) {
    ramie::channel<int> there(1), back(1);
    ramie::event told;
    bool over = false;
    s.spawn([&] {
      while (auto ball = there.receive()) back.send(*ball);
    });
    s.spawn([&] {
      while (!over) {
        there.send(1);
        static_cast<void>(back.receive());
      }
      there.close();
    });
    std::thread other([&] { told.set(); });
    told.wait();
    said.push_back("told by a thread");
    this_task::sleep_for(5ms);
    said.push_back("woken by a timer");
    over = true;
    s.join();
    other.join();
  });
  EXPECT_EQ(said, (words{"told by a thread", "woken by a timer"}));
}

// I08, of one that finds every operation possible at once.
TEST(i_fairness_test, a_task_whose_operations_never_wait_lets_the_others_run) {
  int others = 0;
  ramie::run([&](scope& s) {
    bool over = false;
    s.spawn([&] {
      ramie::channel<int> own(2);
      while (!over) {
        own.send(1);
        static_cast<void>(own.receive());
      }
    });
    s.spawn([&] {
      for (; others < 10; ++others) this_task::yield();
      over = true;
    });
    s.join();
  });
  EXPECT_EQ(others, 10);
}

}  // namespace
}  // namespace cases
