// What fibers refer to is kept, what they refer to no longer is freed, and no page is touched that was not before.
#include "heap/heap_world.hpp"

#include <ramie/fiber.hpp>
#include <ramie/fiber_roots.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace ramie::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t many = 400;
#else
constexpr std::size_t many = 100'000;
#endif

class fiber_roots_test : public testing::Test {
 protected:
  fiber_roots_test() { h.add_root_source(roots); }
  ~fiber_roots_test() override { h.remove_root_source(roots); }

  // Made and dropped here, so that no copy is left on the caller's stack.
  [[gnu::noinline]] node* make(std::uint64_t value) {
    root<node> made = h.make<node>();
    made->value = value;
    return made.get();
  }
  // Overwrites what calls have left below.
  [[gnu::noinline]] static void wipe() {
    std::array<volatile std::uintptr_t, 2048> words{};
    for (auto& word : words) word = 0;
  }
  [[gnu::noinline]] std::size_t live() {
    wipe();
    h.collect();
    const auto faults = h.verify();
    EXPECT_TRUE(faults.empty()) << faults.front();
    return h.statistics().live_objects;
  }

  heap h{{.collect_automatically = false}};
  fiber_roots roots;
};

// Scanning is conservative: a word that a register or the test's own frames still hold keeps its object. So what is let
// go is counted over many, and a few may stay.
constexpr std::size_t holders = 40, left_over_most = 3;

TEST_F(fiber_roots_test, an_object_in_a_local_variable_of_a_parked_fiber_is_kept_until_the_fiber_lets_it_go) {
  std::vector<fiber> fibers;
  for (std::size_t i = 0; i < holders; ++i) {
    fibers.emplace_back([&, i] {
      node* volatile mine = make(i);
      this_fiber::suspend();
      EXPECT_EQ(mine->value, i);
      mine = nullptr;
      wipe();
      this_fiber::suspend();
    });
  }
  resume_each(fibers);
  EXPECT_EQ(live(), holders);
  EXPECT_EQ(live(), holders);
  resume_each(fibers);
  EXPECT_LE(live(), left_over_most);
  EXPECT_EQ(resume_each(fibers), 0U);
}

TEST_F(fiber_roots_test, what_the_object_refers_to_is_kept_too) {
  std::vector<fiber> fibers;
  for (std::size_t i = 0; i < holders; ++i) {
    fibers.emplace_back([&] {
      node* volatile mine = make_list(h, 10).get();
      this_fiber::suspend();
      EXPECT_EQ(list_length(ref<node>(mine)), 10U);
    });
  }
  resume_each(fibers);
  EXPECT_EQ(live(), holders * 10);
  EXPECT_EQ(resume_each(fibers), 0U);
  EXPECT_LE(live(), left_over_most * 10);
}

TEST_F(fiber_roots_test, a_fiber_that_goes_on_after_a_look_takes_up_where_it_was) {
  int steps = 0;
  fiber f([&] {
    try {
      throw std::runtime_error("in flight");
    } catch (const std::runtime_error& caught) {
      for (;;) {
        ++steps;
        this_fiber::suspend();
        EXPECT_STREQ(caught.what(), "in flight");
      }
    }
  });
  for (int i = 1; i <= 5; ++i) {
    EXPECT_TRUE(f.resume());
    EXPECT_EQ(steps, i);
    EXPECT_EQ(f.state(), fiber_state::suspended);
    static_cast<void>(live());
    EXPECT_EQ(f.state(), fiber_state::suspended);
  }
}

TEST_F(fiber_roots_test, a_collection_inside_a_fiber_sees_its_own_stack_and_those_that_wait_for_it) {
  node* volatile outermost = make(1);
  fiber outer([&] {
    node* volatile middle = make(2);
    fiber inner([&] {
      node* volatile innermost = make(3);
      EXPECT_EQ(live(), 3U);
      this_fiber::suspend();
      EXPECT_EQ(innermost->value, 3U);
      EXPECT_EQ(live(), 3U);
    });
    inner.resume();
    EXPECT_EQ(live(), 3U);
    inner.resume();
    EXPECT_EQ(middle->value, 2U);
  });
  outer.resume();
  EXPECT_EQ(outermost->value, 1U);
}

TEST_F(fiber_roots_test, fibers_that_left_by_transfer_and_those_behind_them_are_seen) {
  fiber second, third;
  int seen = 0;
  third = fiber([&] {
    seen += live() == 3U ? 1 : 0;
    second.transfer();
  });
  second = fiber([&] {
    node* volatile mine = make(2);
    third.transfer();
    seen += live() >= 2U && mine->value == 2 ? 1 : 0;
  });
  node* volatile here = make(0);
  fiber first([&] {
    node* volatile mine = make(1);
    second.transfer();
    EXPECT_EQ(mine->value, 1U);
  });
  first.transfer();
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(here->value, 0U);
  if (first.state() == fiber_state::transferred) first.transfer();
}

TEST_F(fiber_roots_test, only_what_ran_is_read_again) {
  std::vector<fiber> fibers;
  for (std::size_t i = 0; i < 300; ++i) {
    fibers.emplace_back([&, i] {
      for (std::uint64_t round = 0;; ++round) {
        node* volatile mine = make(i * 1000 + round);
        this_fiber::suspend();
        EXPECT_EQ(mine->value, i * 1000 + round);
      }
    });
  }
  resume_each(fibers);
  EXPECT_GE(live(), 300U);
  const std::size_t all = h.statistics().last.ranges_scanned;
  EXPECT_GE(all, 300U);
  live();
  EXPECT_EQ(h.statistics().last.ranges_scanned, 0U);
  for (std::size_t i = 0; i < 300; i += 100) fibers[i].resume();
  EXPECT_GE(live(), 300U);
  EXPECT_EQ(h.statistics().last.ranges_scanned, 3U);
}

TEST_F(fiber_roots_test, killed_ended_and_new_fibers_take_over_places) {
  std::vector<fiber> fibers;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) {
      fibers.emplace_back([&] {
        node* volatile mine = make(5);
        this_fiber::suspend();
        EXPECT_EQ(mine->value, 5U);
      });
      fibers.back().resume();
    }
    EXPECT_GE(live(), fibers.size());
    for (std::size_t i = 0; i < fibers.size(); i += 2) {
      if (i % 4 == 0) {
        fibers[i].kill();
      } else {
        fibers[i].resume();
      }
    }
    std::erase_if(fibers, [](const fiber& one) { return one.done(); });
    EXPECT_GE(live(), fibers.size());
    EXPECT_LE(live(), fibers.size() + 8);
  }
  fibers.clear();
  EXPECT_LE(live(), 8U);
}

TEST_F(fiber_roots_test, other_threads_fibers_are_none_of_its_business) {
  std::thread other([] {
    fiber f([] { this_fiber::suspend(); });
    f.resume();
    const fiber_roots its_own;
    f.resume();
  });
  other.join();
  EXPECT_LE(live(), left_over_most);
}

TEST_F(fiber_roots_test, a_second_watcher_on_a_thread_is_refused_and_one_after_the_first_is_not) {
  EXPECT_THROW(fiber_roots(), std::logic_error);
  EXPECT_LE(live(), left_over_most);
}

TEST(fiber_roots_twice, watching_may_end_and_begin_again) {
  std::vector<fiber> fibers;
  heap h({.collect_automatically = false});
  for (int i = 0; i < 10; ++i) {
    fibers.emplace_back([&] {
      node* volatile mine = root<node>(h.make<node>()).get();
      for (;;) {
        this_fiber::suspend();
        mine->value += 1;
      }
    });
    fibers.back().resume();
  }
  for (int round = 0; round < 3; ++round) {
    fiber_roots roots;
    h.add_root_source(roots);
    h.collect();
    EXPECT_GE(h.statistics().live_objects, 10U);
    resume_each(fibers);
    h.collect();
    EXPECT_GE(h.statistics().live_objects, 10U);
    h.remove_root_source(roots);
  }
}

std::size_t resident_pages() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0, resident = 0;
  file >> size >> resident;
  return resident;
}

TEST_F(fiber_roots_test, looking_at_a_hundred_thousand_stacks_makes_none_of_their_pages_resident) {
  std::vector<fiber> fibers;
  fibers.reserve(many);
  for (std::size_t i = 0; i < many; ++i) {
    fibers.emplace_back([&] {
      node* volatile mine = make(1);
      this_fiber::suspend();
      static_cast<void>(mine);
    });
  }
  resume_each(fibers);
  const std::size_t before = resident_pages();
  h.collect();
  const std::size_t grown = resident_pages() - before;
  // Generations, ranges and counts: some 40 bytes each, 1 % of a page.
  std::printf("%zu fibers: %zu pages more after the first look\n", many, grown);
  EXPECT_LT(grown, many / 20 + 500);
  EXPECT_GE(h.statistics().live_objects, many);
}

}  // namespace
}  // namespace ramie::test
