// What keeps an object and what does not; where objects lie.
#include "heap/heap_world.hpp"

#include <cstring>
#include <list>
#include <memory>
#include <stdexcept>
#include <thread>

namespace ramie::test {
namespace {

class heap_objects : public heap_world {};

TEST_F(heap_objects, an_object_with_a_root_survives_and_one_without_does_not) {
  root<leaf> kept = h.make<leaf>();
  kept->value = 42;
  static_cast<void>(h.make<leaf>());
  EXPECT_EQ(stats().live_objects, 2u);
  h.collect();
  EXPECT_EQ(stats().live_objects, 1u);
  EXPECT_EQ(stats().last.freed_objects, 1u);
  EXPECT_EQ(kept->value, 42u);
}

TEST_F(heap_objects, a_list_of_a_million_nodes_needs_no_stack_and_little_mark_stack) {
  root<node> list = make_list(h, 1'000'000);
  h.collect();
  EXPECT_EQ(list_length(list), 1'000'000u);
  EXPECT_EQ(stats().live_objects, 1'000'000u);
  EXPECT_EQ(stats().last.mark_stack_overflows, 0u);
}

TEST_F(heap_objects, cycles_without_a_root_are_freed) {
  {
    root<node> a = h.make<node>(), b = h.make<node>(), c = h.make<node>();
    a->left = b, b->left = c, c->left = a, c->right = c;
    h.collect();
    EXPECT_EQ(stats().live_objects, 3u);
  }
  h.collect();
  EXPECT_EQ(stats().live_objects, 0u);
}

TEST_F(heap_objects, a_ref_overwritten_lets_go_of_what_it_referred_to) {
  root<node> top = h.make<node>();
  top->left = h.make<node>();
  top->left->right = h.make<node>();
  top->left = nullptr;
  h.collect();
  EXPECT_EQ(stats().live_objects, 1u);
}

TEST_F(heap_objects, roots_copy_move_and_convert_as_pointers_do) {
  struct base {
    std::uint64_t first = 1;
  };
  struct second_base {
    std::uint64_t second = 2;
  };
  struct derived : base, second_base {
    std::uint64_t own = 3;
  };
  root<second_base> inner;
  {
    root<derived> whole = h.make<derived>();
    root<derived> copy = whole;
    root<derived> moved = std::move(whole);
    EXPECT_FALSE(whole);  // NOLINT: what a moved-from root is belongs to its contract
    EXPECT_EQ(copy.get(), moved.get());
    inner = copy;
    EXPECT_NE(static_cast<void*>(inner.get()), static_cast<void*>(copy.get()));
  }
  h.collect();  // the root points into the middle of the object
  ASSERT_EQ(stats().live_objects, 1u);
  EXPECT_EQ(inner->second, 2u);
  root<const second_base> constant = inner;
  EXPECT_EQ(constant->second, 2u);
}

TEST_F(heap_objects, a_ref_to_a_member_keeps_the_whole_object) {
  struct pointing {
    ref<std::uint64_t> number;
    void trace(visitor& visit) const { visit(number); }
  };
  root<pointing> p = h.make<pointing>();
  {
    root<node> whole = h.make<node>();
    whole->value = 7;
    p->number = ref<std::uint64_t>(&whole->value);
  }
  h.collect();
  EXPECT_EQ(stats().live_objects, 2u);
  EXPECT_EQ(*p->number, 7u);
}

TEST_F(heap_objects, visitors_take_ranges_parts_and_pointers) {
  struct part {
    ref<node> one;
    void trace(visitor& visit) const { visit(one); }
  };
  struct whole {
    std::vector<ref<node>> many;
    std::array<part, 2> parts;
    std::list<part> listed;
    node* plain = nullptr;
    void trace(visitor& visit) const {
      visit(many, parts, listed);
      visit.pointer(plain);
    }
  };
  root<whole> w = h.make<whole>();
  for (int at = 0; at < 1000; ++at) w->many.push_back(h.make<node>());
  w->parts[1].one = h.make<node>();
  w->listed.push_back({h.make<node>()});
  w->plain = h.make<node>().get();
  h.collect();
  EXPECT_EQ(stats().live_objects, 1004u);
  EXPECT_TRUE(faults().empty()) << faults();
}

TEST_F(heap_objects, objects_larger_than_a_block_lie_in_spans_and_their_middle_is_theirs) {
  root<sized<1 << 20>> big = h.make<sized<1 << 20>>();
  big->child = h.make<node>();
  std::memset(big->rest.data(), 7, big->rest.size());
  root<char> middle(h, ref<char>(&big->rest[big->rest.size() - 1]));
  const auto used = stats().used_bytes;
  EXPECT_GE(used, std::size_t{1} << 20);
  big.reset();
  h.collect();
  EXPECT_EQ(stats().live_objects, 2u);
  EXPECT_EQ(*middle, 7);
  middle.reset();
  h.collect();
  EXPECT_EQ(stats().used_bytes, 0u);
  root<sized<40'000>> again = h.make<sized<40'000>>();  // the freed blocks serve other shapes
  EXPECT_EQ(stats().used_bytes, std::size_t{64} << 10);
}

template <std::size_t... Bytes>
void make_each_size(heap& h, std::vector<root<node>>& children) {
  (
      [&] {
        for (int at = 0; at < 20; ++at) {
          auto object = h.make<sized<Bytes>>();
          object->child = h.make<node>();
          object->child->value = Bytes;
          std::memset(object->rest.data(), 0x5a, object->rest.size());
          children.emplace_back(h, object->child);
        }
      }(),
      ...);
}

TEST_F(heap_objects, cells_of_all_sizes_do_not_overlap) {
  std::vector<root<node>> children;
  make_each_size<9, 16, 17, 24, 33, 48, 64, 100, 128, 250, 500, 1000, 2000, 5000, 9000, 16384, 16385, 65536, 65537,
                 200'000>(h, children);
  for (const root<node>& child : children) EXPECT_GE(child->value, 9u);
  EXPECT_TRUE(faults().empty()) << faults();
}

TEST_F(heap_objects, alignment_is_kept_up_to_a_page) {
  struct alignas(64) line {
    char bytes[64];
  };
  struct alignas(4096) page {
    char bytes[4096];
  };
  for (int at = 0; at < 100; ++at) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(h.make<line>().get()) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(h.make<page>().get()) % 4096, 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(h.make_with_tail<line>(100).get()) % 64, 0u);
  }
}

TEST_F(heap_objects, a_tail_belongs_to_its_object) {
  struct text {
    std::size_t length;
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
  };
  std::vector<root<text>> texts;
  for (std::size_t length = 0; length < 70'000; length = length * 2 + 1) {
    texts.push_back(h.make_with_tail<text>(length));
    texts.back()->length = length;
    std::memset(texts.back()->bytes(), static_cast<int>(length % 251), length);
  }
  h.collect();
  for (const root<text>& each : texts) {
    for (std::size_t at = 0; at < each->length; ++at) {
      ASSERT_EQ(static_cast<unsigned char>(each->bytes()[at]), each->length % 251);
    }
  }
}

TEST_F(heap_objects, what_a_throwing_constructor_leaves_is_nothing) {
  struct thrower {
    explicit thrower(heap& owner) {
      static_cast<void>(owner.make<node>());
      throw std::runtime_error("no");
    }
    ~thrower() { ADD_FAILURE() << "never constructed, never destroyed"; }
  };
  EXPECT_THROW(static_cast<void>(h.make<thrower>(h)), std::runtime_error);
  h.collect();
  EXPECT_EQ(stats().live_objects, 0u);
}

TEST_F(heap_objects, a_constructor_may_make_and_collect_and_keeps_what_its_object_holds) {
  struct builder {
    explicit builder(heap& owner) {
      for (ref<node>& each : parts) {
        each = owner.make<node>();
        each->value = 5;
        owner.collect();
      }
    }
    std::array<ref<node>, 8> parts;
    std::unique_ptr<int> with_destructor;
    void trace(visitor& visit) const { visit(parts); }
  };
  root<builder> made = h.make<builder>(h);
  h.collect();
  EXPECT_EQ(stats().live_objects, 9u);
  for (const ref<node>& each : made->parts) EXPECT_EQ(each->value, 5u);
}

TEST_F(heap_objects, automatic_collections_keep_a_loop_of_garbage_small) {
  heap automatic;
  root<node> kept = make_list(automatic, 1000);
  for (int at = 0; at < 1'000'000; ++at) static_cast<void>(automatic.make<node>());
  EXPECT_GT(automatic.statistics().collections, 2u);
  EXPECT_LT(automatic.statistics().used_bytes, std::size_t{16} << 20);
  EXPECT_EQ(list_length(kept), 1000u);
}

TEST_F(heap_objects, freed_cells_are_used_again_when_a_block_has_many) {
  std::vector<root<node>> kept;
  for (int at = 0; at < 100'000; ++at) {
    root<node> one = h.make<node>();
    if (at % 4 == 0) kept.push_back(std::move(one));
  }
  h.collect();
  const std::size_t used = stats().used_bytes;
  for (int at = 0; at < 70'000; ++at) kept.push_back(h.make<node>());
  EXPECT_EQ(stats().used_bytes, used);
  EXPECT_EQ(stats().live_objects, 95'000u);
}

TEST_F(heap_objects, another_thread_is_refused_until_it_adopts) {
  root<node> kept = h.make<node>();
  std::thread([&] {
    try {
      static_cast<void>(h.make<node>());
      ADD_FAILURE();
    } catch (const heap_error& error) {
      EXPECT_EQ(error.code(), heap_errc::other_thread);
    }
    EXPECT_THROW(h.adopt(), heap_error);
    EXPECT_THROW(root<node> copy = kept, heap_error);
  }).join();
  h.release();
  EXPECT_THROW(h.collect(), heap_error);
  std::thread([&] {
    h.adopt();
    kept->left = h.make<node>();
    h.collect();
    h.release();
  }).join();
  h.adopt();
  EXPECT_EQ(stats().live_objects, 2u);
}

TEST_F(heap_objects, an_empty_root_cannot_take_an_object) {
  root<node> made = h.make<node>();
  root<node> empty;
  try {
    empty = ref<node>(made);
    ADD_FAILURE();
  } catch (const heap_error& error) {
    EXPECT_EQ(error.code(), heap_errc::no_heap);
  }
}

struct asks_its_heap {
  heap* owner = nullptr;
  bool awake = false;
  void trace(visitor&) const {
    if (awake) static_cast<void>(owner->make<leaf>());
  }
};

TEST_F(heap_objects, a_trace_that_asks_its_heap_gets_an_error_and_the_heap_goes_on) {
  root<asks_its_heap> bad = h.make<asks_its_heap>();
  root<node> list = make_list(h, 100);
  bad->owner = &h;
  bad->awake = true;
  try {
    h.collect();
    ADD_FAILURE();
  } catch (const heap_error& error) {
    EXPECT_EQ(error.code(), heap_errc::collecting);
  }
  bad->awake = false;
  static_cast<void>(make_list(h, 50));
  h.collect();
  EXPECT_EQ(list_length(list), 100u);
  EXPECT_EQ(stats().live_objects, 101u);
}

struct forgetful {
  ref<node> shown, forgotten;
  void trace(visitor& visit) const { visit(shown); }
};

TEST_F(heap_objects, verify_names_a_ref_into_freed_memory) {
  root<forgetful> bad = h.make<forgetful>();
  bad->forgotten = h.make<node>();
  h.collect();
  EXPECT_TRUE(h.verify().empty());  // a field that no trace shows, nobody can see
  bad->shown = bad->forgotten;
  const auto found = h.verify();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("forgetful) refers to"), std::string::npos) << found[0];
  h.collect();
  EXPECT_EQ(stats().dangling_refs, 1u);
  bad->shown = nullptr;
}

using heap_objects_death = heap_objects;
TEST_F(heap_objects_death, a_heap_destroyed_before_its_roots_is_a_failed_check) {
  EXPECT_DEATH(
      {
        auto owner = std::make_unique<heap>();
        root<node> left = owner->make<node>();
        owner.reset();
      },
      "while 1 roots into it are left");
}

TEST_F(heap_objects_death, a_root_released_by_another_thread_is_a_failed_check) {
  EXPECT_DEATH(
      {
        root<node> mine = h.make<node>();
        std::thread([&] { mine.reset(); }).join();
      },
      "released_by_the_owner_of_its_heap");
}

}  // namespace
}  // namespace ramie::test
