// Objects with destructors: when they run, and what they may do.
#include "heap/heap_world.hpp"

#include <functional>

namespace ramie::test {
namespace {

class heap_destructors : public heap_world {
 protected:
  int destroyed = 0;
};

TEST_F(heap_destructors, a_dead_object_is_destroyed_once_and_freed_by_the_next_collection) {
  {
    root<holder> doomed = h.make<holder>(&destroyed);
    doomed->held.push_back(h.make<node>());
  }
  h.collect();
  EXPECT_EQ(destroyed, 1);
  EXPECT_EQ(stats().live_objects, 2u);
  h.collect();
  h.collect();
  EXPECT_EQ(destroyed, 1);
  EXPECT_EQ(stats().live_objects, 0u);
  EXPECT_EQ(stats().destructors_run, 1u);
}

TEST_F(heap_destructors, a_heap_that_ends_destroys_every_object_that_is_left) {
  {
    heap other;
    for (int at = 0; at < 10'000; ++at) static_cast<void>(other.make<holder>(&destroyed));
  }
  EXPECT_EQ(destroyed, 10'000);
}

TEST_F(heap_destructors, a_list_whose_nodes_all_have_destructors_goes_in_one_collection) {
  struct link {
    explicit link(int* counter) : destroyed(counter) {}
    ~link() { ++*destroyed; }
    ref<link> next;
    int* destroyed;
    void trace(visitor& visit) const { visit(next); }
  };
  root<link> first = h.make<link>(&destroyed);
  for (int at = 1; at < 10'000; ++at) {
    root<link> next = h.make<link>(&destroyed);
    next->next = first;
    first = std::move(next);
  }
  h.collect();
  EXPECT_EQ(destroyed, 0);
  first.reset();
  h.collect();
  EXPECT_EQ(destroyed, 10'000);
  h.collect();
  EXPECT_EQ(stats().live_objects, 0u);
}

// Does what it is told when it dies.
struct dying {
  std::function<void(dying&)> last_words;
  ref<node> kept;
  ref<dying> other;
  explicit dying(std::function<void(dying&)> words) : last_words(std::move(words)) {}
  ~dying() { last_words(*this); }
  void trace(visitor& visit) const { visit(kept, other); }
};

TEST_F(heap_destructors, what_a_destructor_refers_to_is_still_there) {
  std::uint64_t seen = 0;
  {
    root<dying> d = h.make<dying>([&](dying& self) { seen = list_length(self.kept); });
    d->kept = make_list(h, 1000);
  }
  h.collect();
  EXPECT_EQ(seen, 1000u);
  h.collect();
  EXPECT_EQ(stats().live_objects, 0u);
}

TEST_F(heap_destructors, a_destructor_may_allocate_and_collect) {
  root<node> made;
  {
    root<dying> d = h.make<dying>([&](dying& self) {
      made = make_list(h, 10'000);
      h.collect();
      h.collect();
      made->right = self.kept;  // the dying object still keeps it
    });
    d->kept = make_list(h, 3);
  }
  h.collect();
  EXPECT_EQ(list_length(made), 10'000u);
  EXPECT_EQ(list_length(made->right), 3u);
  EXPECT_TRUE(faults().empty()) << faults();
}

TEST_F(heap_destructors, destructors_that_make_objects_with_destructors_do_not_recurse) {
  int depth = 0, deepest = 0, run = 0;
  std::function<void(dying&)> again = [&](dying&) {
    deepest = std::max(deepest, ++depth);
    if (++run < 1000) static_cast<void>(h.make<dying>(again));
    h.collect();
    --depth;
  };
  static_cast<void>(h.make<dying>(again));
  h.collect();
  EXPECT_EQ(run, 1000);
  EXPECT_EQ(deepest, 1);
}

TEST_F(heap_destructors, a_resurrected_object_stays_as_memory_and_is_not_destroyed_again) {
  int run = 0;
  root<dying> saved;
  {
    root<dying> d = h.make<dying>([&](dying& self) {
      ++run;
      saved = root<dying>(h, ref<dying>(&self));
    });
    d->kept = make_list(h, 10);
  }
  h.collect();
  ASSERT_TRUE(saved);
  for (int at = 0; at < 5; ++at) {
    h.collect();
    static_cast<void>(make_list(h, 100));
  }
  EXPECT_EQ(run, 1);
  EXPECT_EQ(list_length(saved->kept), 10u);
  saved.reset();
  h.collect();
  h.collect();
  EXPECT_EQ(run, 1);
  EXPECT_EQ(stats().live_objects, 0u);
}

TEST_F(heap_destructors, a_dead_cycle_of_objects_with_destructors_is_destroyed) {
  int run = 0;
  {
    root<dying> a = h.make<dying>([&](dying&) { ++run; });
    root<dying> b = h.make<dying>([&](dying&) { ++run; });
    a->other = b;
    b->other = a;
  }
  h.collect();
  EXPECT_EQ(run, 2);
  h.collect();
  EXPECT_EQ(stats().live_objects, 0u);
}

TEST_F(heap_destructors, destructors_of_sealed_objects_wait_for_the_thaw) {
  root<holder> sealed = h.make<holder>(&destroyed);
  static_cast<void>(h.make<holder>(&destroyed));
  h.freeze();
  EXPECT_EQ(destroyed, 1);  // the dead one went before the heap was sealed
  sealed.reset();
  h.collect();
  EXPECT_EQ(destroyed, 1);
  h.thaw();
  h.collect();
  EXPECT_EQ(destroyed, 2);
}

}  // namespace
}  // namespace ramie::test
