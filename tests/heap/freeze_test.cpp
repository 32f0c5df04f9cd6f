// Freezing and forking: what is written where, seen from the pages themselves.
#include "heap/heap_world.hpp"
#include "os/heap_memory.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

namespace ramie::test {
namespace {

namespace os = ramie::os::heap_memory;

class heap_freeze : public heap_world {
 protected:
  // A tree of 64-byte objects in random order, and as many dead ones among them as asked for.
  struct wide {
    ref<wide> left, right;
    std::array<std::uint64_t, 6> payload{};
    void trace(visitor& visit) const { visit(left, right); }
  };
  root<wide> plant(std::size_t count, double garbage) {
    std::vector<wide*> order(count);
    for (wide*& each : order) each = h.make<wide>().get();
    std::shuffle(order.begin(), order.end(), std::mt19937(42));
    const auto live = static_cast<std::size_t>(static_cast<double>(count) * (1 - garbage));
    for (std::size_t at = 0; at < live; ++at) {
      if (2 * at + 1 < live) order[at]->left = ref<wide>(order[2 * at + 1]);
      if (2 * at + 2 < live) order[at]->right = ref<wide>(order[2 * at + 2]);
    }
    return {h, ref<wide>(order[0])};
  }
  static std::size_t private_dirty_kib() {
    const auto use = os::read_memory_use(0);
    return use ? use->private_dirty_bytes / 1024 : 0;
  }
  static bool can_measure() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    std::printf("skipped: private dirty of a child: a sanitizer writes memory of its own\n");
    return false;
#endif
    if (os::read_memory_use(0)) return true;
    std::printf("skipped: private dirty of a child: /proc/self/smaps_rollup cannot be read\n");
    return false;
  }
};

TEST_F(heap_freeze, a_child_that_collects_dirties_little_more_than_a_bit_per_object) {
  if (!can_measure()) GTEST_SKIP();
  root<wide> top = plant(500'000, 0.01);  // 32 MB
  EXPECT_EQ(in_child([&] {
              h.collect();
              EXPECT_EQ(stats().last.freed_objects, 5000u);
              EXPECT_LE(private_dirty_kib(), 400u);  // the bits are 62 KiB; a free-list sweep would be 15,000
              return 0;
            }),
            0);
}

TEST_F(heap_freeze, a_child_of_a_frozen_heap_that_collects_ten_times_dirties_no_mark) {
  if (!can_measure()) GTEST_SKIP();
  root<wide> top = plant(500'000, 0.05);
  h.freeze();
  EXPECT_EQ(in_child([&] {
              for (int at = 0; at < 10; ++at) h.collect();
              EXPECT_LE(private_dirty_kib(), 250u);
              EXPECT_TRUE(faults().empty()) << faults();
              return 0;
            }),
            0);
}

TEST_F(heap_freeze, a_child_allocates_into_fresh_blocks_though_a_quarter_of_the_shared_ones_is_free) {
  if (!can_measure()) GTEST_SKIP();
  for (const bool freeze_first : {false, true}) {
    root<wide> top = plant(500'000, 0.4);
    freeze_first ? h.freeze() : h.collect();
    EXPECT_EQ(in_child([&] {
                root<wide> list;
                for (int at = 0; at < 100'000; ++at) {
                  root<wide> next = h.make<wide>();
                  next->left = list;
                  list = std::move(next);
                }
                EXPECT_LE(private_dirty_kib(), 8u * 1024) << "frozen: " << freeze_first;  // 6,250 are payload
                return 0;
              }),
              0);
  }
}

TEST_F(heap_freeze, sealed_objects_live_on_without_roots_until_the_thaw) {
  root<node> list = make_list(h, 10'000);
  static_cast<void>(make_list(h, 5'000));
  h.freeze();
  EXPECT_TRUE(h.frozen());
  EXPECT_EQ(stats().sealed_objects, 10'000u);
  list.reset();
  h.collect();
  EXPECT_EQ(stats().live_objects, 10'000u);
  h.thaw();
  EXPECT_FALSE(h.frozen());
  h.collect();
  EXPECT_EQ(stats().live_objects, 0u);
}

TEST_F(heap_freeze, a_sealed_object_keeps_the_young_one_it_was_made_to_refer_to) {
  root<node> old = make_list(h, 10'000);
  h.freeze();
  {
    root<node> young = make_list(h, 1000);
    for (ref<node> at = old; at; at = at->left) {
      if (!at->left) at->right = young;
    }
  }
  static_cast<void>(make_list(h, 500));
  for (int at = 0; at < 3; ++at) h.collect();
  EXPECT_EQ(stats().live_objects, 11'000u);
  ref<node> last = old;
  while (last->left) last = last->left;
  EXPECT_EQ(list_length(last->right), 1000u);
  last->right = nullptr;
  h.collect();
  EXPECT_EQ(stats().live_objects, 10'000u);
}

TEST_F(heap_freeze, nothing_is_allocated_into_sealed_blocks_and_no_byte_of_them_changes) {
  std::vector<root<node>> kept;
  for (int at = 0; at < 50'000; ++at) {
    root<node> one = h.make<node>();
    one->value = 0x1234567890abcdef;
    if (at % 10 == 0) kept.push_back(one);
  }
  h.freeze();
  const auto used = stats().used_bytes;
  std::vector<std::vector<char>> before;
  for (const root<node>& each : kept) {
    const char* bytes = reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(each.get()) & ~0xffful);
    before.emplace_back(bytes, bytes + 4096);
  }
  for (int at = 0; at < 50'000; ++at) kept.push_back(h.make<node>());
  h.collect();
  EXPECT_GT(stats().used_bytes, used);
  for (std::size_t at = 0; at < before.size(); ++at) {
    const char* bytes = reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(kept[at].get()) & ~0xffful);
    ASSERT_EQ(std::memcmp(bytes, before[at].data(), 4096), 0);
  }
  h.thaw();
  for (int at = 0; at < 30'000; ++at) kept.push_back(h.make<node>());
  EXPECT_LE(stats().used_bytes, used + (std::size_t{4} << 20));  // the holes serve again
}

TEST_F(heap_freeze, freezing_again_seals_what_is_new) {
  root<node> first = make_list(h, 1000);
  h.freeze();
  root<node> second = make_list(h, 2000);
  h.freeze();
  EXPECT_EQ(stats().sealed_objects, 3000u);
  h.collect();
  EXPECT_EQ(list_length(first) + list_length(second), 3000u);
}

TEST_F(heap_freeze, a_frozen_heap_whose_address_space_ends_uses_the_free_blocks_below) {
  heap small({.reserve_bytes = 4 << 20, .collect_automatically = false});
  root<node> kept = make_list(small, 20'000);
  small.freeze();
  std::vector<root<sized<60'000>>> big;
  try {
    for (;;) big.push_back(small.make<sized<60'000>>());
  } catch (const heap_full&) {
  }
  EXPECT_GT(big.size(), 30u);
  big.clear();
  small.collect();
  for (int at = 0; at < 40; ++at) big.push_back(small.make<sized<60'000>>());
  EXPECT_EQ(list_length(kept), 20'000u);
  EXPECT_TRUE(small.verify().empty());
}

TEST_F(heap_freeze, parent_and_children_go_their_own_ways) {
  root<node> shared = make_list(h, 1000);
  h.freeze();
  for (int child = 0; child < 4; ++child) {
    EXPECT_EQ(in_child([&] {
                shared->right = make_list(h, 100);
                h.collect();
                EXPECT_EQ(list_length(shared->right), 100u);
                EXPECT_TRUE(faults().empty()) << faults();
                h.thaw();
                shared.reset();
                h.collect();
                return static_cast<int>(stats().live_objects);
              }),
              0);
    h.collect();
    EXPECT_FALSE(shared->right);
    EXPECT_EQ(list_length(shared), 1000u);
  }
}

// Forks from within a collection, by the collecting thread: both processes finish it.
struct forks_when_traced {
  bool* now = nullptr;
  mutable pid_t child = -1;
  void trace(visitor&) const {
    if (now == nullptr || !*now) return;
    *now = false;
    child = fork();
  }
};

TEST_F(heap_freeze, a_fork_inside_a_collection_leaves_both_processes_with_a_sound_heap) {
  bool now = false;
  root<forks_when_traced> forking = h.make<forks_when_traced>();
  forking->now = &now;
  root<node> list = make_list(h, 10'000);
  static_cast<void>(make_list(h, 5'000));
  now = true;
  h.collect();
  ASSERT_NE(forking->child, -1);
  forking->now = nullptr;  // the object outlives this function's variables
  const bool is_sound = faults().empty() && stats().live_objects == 10'001 && list_length(list) == 10'000;
  if (forking->child == 0) _exit(is_sound ? 0 : 1);
  int status = 0;
  waitpid(forking->child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(is_sound);
}

struct forks_when_destroyed {
  explicit forks_when_destroyed(pid_t* child_process) : child(child_process) {}
  ~forks_when_destroyed() {
    if (*child == -1) *child = fork();
  }
  pid_t* child;
};

TEST_F(heap_freeze, a_fork_inside_a_destructor_leaves_both_processes_with_a_sound_heap) {
  pid_t child = -1;
  for (int at = 0; at < 10; ++at) static_cast<void>(h.make<forks_when_destroyed>(&child));
  h.collect();
  h.collect();
  const bool is_sound = faults().empty() && stats().live_objects == 0 && stats().destructors_run == 10;
  if (child == 0) _exit(is_sound ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(is_sound);
}

// A trace that another thread can hold in the middle of a collection.
struct waits_when_traced {
  std::atomic<int>* step = nullptr;
  void trace(visitor&) const {
    if (step == nullptr || *step != 1) return;
    *step = 2;
    while (*step == 2) std::this_thread::yield();
  }
};

TEST_F(heap_freeze, a_child_forked_by_another_thread_in_the_middle_of_a_collection_adopts_the_heap) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: fork with threads: ThreadSanitizer does not go on in such a child\n");
  GTEST_SKIP();
#endif
  std::atomic<int> step = 0;
  root<waits_when_traced> waiting = h.make<waits_when_traced>();
  waiting->step = &step;
  root<node> list = make_list(h, 1000);
  static_cast<void>(make_list(h, 500));
  int result = -2;
  std::thread other([&] {
    while (step != 2) std::this_thread::yield();
    result = in_child([&] {
      EXPECT_THROW(h.collect(), heap_error);  // its owner is another thread, and is not here
      h.adopt();
      EXPECT_TRUE(faults().empty()) << faults();
      step = 0;
      h.collect();
      EXPECT_EQ(stats().live_objects, 1001u);
      root<node> more = make_list(h, 100);
      EXPECT_EQ(list_length(list), 1000u);
      return 0;
    });
    step = 3;
  });
  step = 1;
  h.collect();
  other.join();
  waiting->step = nullptr;  // the object outlives this function's variables
  EXPECT_EQ(result, 0);
  EXPECT_EQ(stats().live_objects, 1001u);
}

TEST_F(heap_freeze, a_child_without_the_heaps_thread_may_simply_end) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP();
#endif
  auto owned = std::make_unique<heap>();
  int destroyed = 0;
  static_cast<void>(owned->make<holder>(&destroyed));
  int result = -2;
  std::thread([&] {
    result = in_child([&] {
      owned.reset();
      return destroyed;
    });
  }).join();
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace ramie::test
