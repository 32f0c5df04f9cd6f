// A plain fork() while other threads have fibers: the child's new threads get the memory of those that it does not
// have.
#include "fiber/forked.hpp"

#include <ramie/fiber.hpp>
#include <ramie/stack.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace ramie_test {
namespace {

class fiber_fork_test : public testing::Test {
 protected:
  void SetUp() override {
    if (!children_start_threads()) GTEST_SKIP();
  }
};

std::atomic<int> destroyed = 0;
struct counted {
  counted() = default;
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  ~counted() { ++destroyed; }
};

// A thread with a suspended fiber, for as long as this lives.
class other_thread {
 public:
  other_thread() {
    while (!has_begun_) std::this_thread::yield();
  }
  other_thread(const other_thread&) = delete;
  other_thread& operator=(const other_thread&) = delete;
  ~other_thread() {
    may_end_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> has_begun_ = false, may_end_ = false;
  std::thread thread_{[this] {
    ramie::fiber one([] {
      const counted mine;
      ramie::this_fiber::suspend();
    });
    one.resume();
    has_begun_ = true;
    while (!may_end_) std::this_thread::yield();
  }};
};

void use_a_fiber() {
  ramie::fiber one([] { ramie::this_fiber::suspend(); });
  one.resume();
  one.resume();
}

TEST_F(fiber_fork_test, a_new_thread_of_the_child_does_not_end_the_fibers_of_one_that_is_not_there) {
  const other_thread there;
  destroyed = 0;
  EXPECT_EQ(code_of_child([] {
              for (int i = 0; i < 3; ++i) {
                // One is left suspended, so at the thread's end its fibers are looked for.
                std::thread([] { (new ramie::fiber([] { ramie::this_fiber::suspend(); }))->resume(); }).join();
              }
              return destroyed.load();
            }),
            0);
}

TEST_F(fiber_fork_test, the_child_counts_its_stacks_however_many_threads_it_has_had) {
  use_a_fiber();
  const other_thread there;
  EXPECT_EQ(code_of_child([] {
              for (int i = 0; i < 3; ++i) {
                std::thread([] {
                  use_a_fiber();
                  static_cast<void>(ramie::count_stacks());
                }).join();
              }
              return ramie::count_stacks().in_use == 1 ? 0 : 1;  // the other thread's, for ever
            }),
            0);
}

}  // namespace
}  // namespace ramie_test
