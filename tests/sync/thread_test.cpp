// Waiting objects between threads: with schedulers, without, and both.
#include "task/task_world.hpp"

#include <ramie/condition_variable.hpp>
#include <ramie/once.hpp>
#include <ramie/select.hpp>
#include <ramie/semaphore.hpp>

#include <atomic>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>

namespace ramie_test {
namespace {

using ramie::scope;

class sync_thread_test : public task_world {};

// Two threads without a scheduler and two with tasks.
template <class F>
void on_four_threads(int tasks, F&& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&body, i] { body(i); });
  for (int i = 2; i < 4; ++i) {
    threads.emplace_back([&body, i, tasks] {
      ramie::run([&](scope& s) {
        for (int k = 0; k < tasks; ++k) s.spawn([&body, i, k] { body(i + 2 * k); });
      });
    });
  }
  for (auto& one : threads) one.join();
}

TEST_F(sync_thread_test, a_mutex_keeps_threads_and_tasks_apart) {
  for (auto order : {ramie::mutex_order::fair, ramie::mutex_order::barging}) {
    ramie::mutex m(order);
    long count = 0;
    on_four_threads(5, [&](int) {
      for (int i = 0; i < 500; ++i) {
        std::lock_guard held(m);
        const long seen = count;
        if (i % 16 == 0) ramie::this_task::yield();
        count = seen + 1;
      }
    });
    EXPECT_EQ(count, 12 * 500);
  }
}

TEST_F(sync_thread_test, a_shared_mutex_and_a_semaphore_hold_their_limits) {
  ramie::shared_mutex m;
  ramie::semaphore places(3);
  std::atomic<int> readers = 0, writers = 0, inside = 0;
  std::atomic<bool> wrong = false;
  on_four_threads(5, [&](int who) {
    for (int i = 0; i < 200; ++i) {
      if ((i + who) % 5 == 0) {
        std::lock_guard held(m);
        if (++writers != 1 || readers != 0) wrong = true;
        --writers;
      } else {
        std::shared_lock held(m);
        ++readers;
        if (writers != 0) wrong = true;
        if (i % 32 == 0) ramie::this_task::yield();
        --readers;
      }
      ramie::permit one(places, 1 + static_cast<std::size_t>(i % 3));
      inside += 1 + i % 3;
      if (inside > 3) wrong = true;
      inside -= 1 + i % 3;
    }
  });
  EXPECT_FALSE(wrong);
  EXPECT_EQ(places.taken(), 0u);
}

TEST_F(sync_thread_test, conditions_carry_a_queue_between_threads) {
  ramie::mutex m;
  ramie::condition_variable changed;
  int there = 0, taken = 0;
  on_four_threads(6, [&](int who) {
    for (int i = 0; i < 300; ++i) {
      std::unique_lock held(m);
      if (who % 2 == 0) {
        ++there;
        changed.notify_one();
      } else {
        changed.wait(held, [&] { return there != 0; });
        --there;
        ++taken;
      }
    }
  });
  EXPECT_EQ(there, 0);
  EXPECT_EQ(taken, 7 * 300);
}

TEST_F(sync_thread_test, an_event_may_be_destroyed_as_soon_as_its_wait_returns) {
  ramie::channel<ramie::event*> to_set(4);
  std::thread setter([&] {
    for (ramie::event* one : to_set) one->set();
  });
  ramie::run([&](scope& s) {
    for (int k = 0; k < 4; ++k) {
      s.spawn([&] {
        for (int i = 0; i < 500; ++i) {
          auto one = std::make_unique<ramie::event>();
          to_set.send(one.get());
          one->wait();
        }
      });
    }
    s.join();
    to_set.close();
  });
  setter.join();
}

TEST_F(sync_thread_test, a_mutex_may_be_destroyed_by_who_locked_it_last) {
  struct shared {
    ramie::mutex m;
    int users = 2;
  };
  ramie::channel<shared*> to_leave(1);
  const auto leave = [](shared* one) {
    std::unique_lock held(one->m);
    if (--one->users != 0) return;
    held.unlock();
    delete one;
  };
  std::thread other([&] {
    for (shared* one : to_leave) leave(one);
  });
  for (int i = 0; i < 2000; ++i) {
    auto* one = new shared;
    to_leave.send(one);
    leave(one);
  }
  to_leave.close();
  other.join();
}

TEST_F(sync_thread_test, once_runs_once_for_all_threads) {
  for (int round = 0; round < 50; ++round) {
    ramie::once_flag flag;
    std::atomic<int> runs = 0;
    on_four_threads(3, [&](int) {
      ramie::call_once(flag, [&] {
        ramie::this_task::yield();
        ++runs;
      });
      EXPECT_EQ(runs, 1);
    });
  }
}

TEST_F(sync_thread_test, parties_on_all_threads_meet) {
  ramie::barrier meeting(8);
  std::atomic<int> last = 0, came = 0;
  std::atomic<bool> wrong = false;
  on_four_threads(3, [&](int) {
    for (int round = 1; round <= 50; ++round) {
      ++came;
      if (meeting.arrive_and_wait()) ++last;
      if (came < 8 * round) wrong = true;
    }
  });
  EXPECT_EQ(last, 50);
  EXPECT_FALSE(wrong);
}

}  // namespace
}  // namespace ramie_test
