// Tasks that wait keep what their stacks refer to, nested fibers included.
#include "heap/heap_world.hpp"

#include <ramie/fiber_roots.hpp>
#include <ramie/runtime.hpp>

#include <array>

namespace ramie::test {
namespace {

using namespace std::chrono_literals;

[[gnu::noinline]] node* make(heap& h, std::uint64_t value) {
  root<node> made = h.make<node>();
  made->value = value;
  return made.get();
}
[[gnu::noinline]] void wipe() {
  std::array<volatile std::uintptr_t, 2048> words{};
  for (auto& word : words) word = 0;
}

TEST(task_roots_test, what_waiting_tasks_refer_to_is_kept_until_they_end) {
  heap h({.collect_automatically = false});
  const auto main = [&] {
    fiber_roots roots;
    h.add_root_source(roots);
    ramie::with_scope([&](scope& s) {
      for (std::uint64_t i = 0; i < 50; ++i) {
        s.spawn([&, i] {
          node* volatile mine = make(h, i);
          for (int round = 0; round < 3; ++round) {
            ramie::this_task::sleep_for(1ms);
            EXPECT_EQ(mine->value, i);
          }
        });
      }
      for (int round = 0; round < 3; ++round) {
        ramie::this_task::yield();
        wipe();
        h.collect();
        EXPECT_TRUE(h.verify().empty());
        EXPECT_GE(h.statistics().live_objects, 50U);
      }
    });
    wipe();
    h.collect();
    h.collect();
    EXPECT_LE(h.statistics().live_objects, 4U);
    h.remove_root_source(roots);
  };
  ramie::run(main, {.clock = clock_kind::fake});
}

TEST(task_roots_test, a_fiber_inside_a_waiting_task_and_the_task_below_it_are_seen) {
  heap h({.collect_automatically = false});
  const auto main = [&] {
    fiber_roots roots;
    h.add_root_source(roots);
    ramie::with_scope([&](scope& s) {
      s.spawn([&] {
        node* volatile below = make(h, 1);
        fiber inner([&] {
          node* volatile above = make(h, 2);
          ramie::this_task::sleep_for(2ms);
          EXPECT_EQ(above->value, 2U);
          this_fiber::suspend();
          EXPECT_EQ(above->value, 2U);
        });
        inner.resume();
        ramie::this_task::sleep_for(2ms);
        EXPECT_EQ(below->value, 1U);
        inner.resume();
      });
      for (int round = 0; round < 3; ++round) {
        ramie::this_task::yield();
        h.collect();
        EXPECT_GE(h.statistics().live_objects, 2U);
        ramie::this_task::sleep_for(1ms);
      }
    });
    h.remove_root_source(roots);
  };
  ramie::run(main, {.clock = clock_kind::fake});
}

}  // namespace
}  // namespace ramie::test
