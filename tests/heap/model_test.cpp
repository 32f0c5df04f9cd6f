// Random programs against a naive model: a table of objects and who refers to whom, and a walk over it.
//
// After every collection the heap must hold exactly what the model can reach (with destructors: after the next), every
// object must still say who it is, and every destructor must have run once. RAMIE_TEST_SEED repeats a run.
#include "heap/heap_world.hpp"

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>

namespace ramie::test {
namespace {

using identity = std::uint64_t;

struct model_world;

// What all kinds have: a first base, so that a ref to it is a ref to the object's start or, in `mixed`, its middle.
struct anything {
  identity id = 0;
  identity check = 0;
  std::uint32_t ref_count = 0;
  ref<anything>* refs = nullptr;
};

struct thin : anything {
  ref<anything> own[2];
  thin(model_world&, identity) { refs = own, ref_count = 2; }
  void trace(visitor& visit) const { visit(own); }
};

struct wide_one : anything {
  ref<anything> own[30];
  char rest[1000] = {};
  wide_one(model_world&, identity) { refs = own, ref_count = 30; }
  void trace(visitor& visit) const { visit(own); }
};

struct giant : anything {
  ref<anything> own[3];
  char rest[150'000] = {};
  giant(model_world&, identity) { refs = own, ref_count = 3; }
  void trace(visitor& visit) const { visit(own); }
};

struct childless : anything {
  childless(model_world&, identity) {}
};

// Its refs lie in memory of its own, and it tells the model when it is destroyed.
struct mixed_front {
  char front[40] = {};
};
struct mixed : mixed_front, anything {
  model_world* world;
  identity who;
  std::vector<ref<anything>> own{5};
  mixed(model_world& w, identity given) : world(&w), who(given) { refs = own.data(), ref_count = 5; }
  ~mixed();
  void trace(visitor& visit) const { visit(own); }
};

class model_stacks final : public root_source {
 public:
  static constexpr std::size_t count = 20;
  static constexpr std::size_t words = 8;
  void report(root_scan& scan) override { scan.parked(generations, ranges); }
  std::array<std::array<std::uintptr_t, words>, count> memory{};
  std::array<std::uint32_t, count> generations{};
  std::array<root_range, count> ranges{};
};

struct model_world {
  struct entry {
    anything* object;
    std::vector<identity> refs;  // 0: none
    bool has_destructor;
  };

  explicit model_world(std::uint64_t seed) : random(seed) { h.add_root_source(stacks); }
  ~model_world() { h.remove_root_source(stacks); }

  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random() % limit); }

  template <class T>
  void make() {
    const identity id = ++last_id;
    root<T> made = h.make<T>(*this, id);
    made->id = id;
    made->check = ~id;
    objects[id] = {made.get(), std::vector<identity>(made->ref_count, 0), !std::is_trivially_destructible_v<T>};
    roots.emplace_back(id, std::move(made));
  }

  // The object of a random root, or of one that it reaches in a few steps.
  identity pick() {
    if (roots.empty()) return 0;
    identity at = roots[below(roots.size())].first;
    for (std::size_t steps = below(5); steps > 0; --steps) {
      const std::vector<identity>& refs = objects[at].refs;
      if (refs.empty()) break;
      if (const identity next = refs[below(refs.size())]; next != 0) at = next;
    }
    return at;
  }

  void link() {
    const identity from = pick(), to = below(5) == 0 ? 0 : pick();
    if (from == 0 || objects[from].refs.empty()) return;
    const std::size_t slot = below(objects[from].refs.size());
    objects[from].refs[slot] = to;
    objects[from].object->refs[slot] = to == 0 ? ref<anything>() : ref<anything>(objects[to].object);
  }

  void park() {
    const std::size_t at = below(model_stacks::count);
    parked[at].clear();
    if (below(4) == 0) {
      stacks.generations[at] = 0;
      return;
    }
    for (std::uintptr_t& word : stacks.memory[at]) {
      const identity id = below(3) == 0 ? 0 : pick();
      word = below(1000);
      if (id == 0) continue;
      parked[at].push_back(id);
      word = reinterpret_cast<std::uintptr_t>(objects[id].object) + below(sizeof(anything));
    }
    stacks.ranges[at] = {stacks.memory[at].data(), stacks.memory[at].data() + model_stacks::words};
    stacks.generations[at] = ++generation;
  }

  std::set<identity> reachable() const {
    std::vector<identity> open(sealed.begin(), sealed.end());
    for (const auto& [id, held] : roots) open.push_back(id);
    for (const auto& ids : parked) open.insert(open.end(), ids.begin(), ids.end());
    std::set<identity> found;
    while (!open.empty()) {
      const identity id = open.back();
      open.pop_back();
      if (id == 0 || !found.insert(id).second) continue;
      const auto& refs = objects.at(id).refs;
      open.insert(open.end(), refs.begin(), refs.end());
    }
    return found;
  }

  // Twice: the second frees what the first destroyed.
  void collect_and_compare() {
    const std::set<identity> expected = reachable();
    h.collect();
    h.collect();
    ASSERT_EQ(h.statistics().live_objects, expected.size());
    ASSERT_EQ(h.statistics().dangling_refs, 0u);
    std::erase_if(objects, [&](const auto& each) {
      const bool is_dead = !expected.contains(each.first);
      EXPECT_EQ(destroyed.count(each.first), is_dead && each.second.has_destructor ? 1u : 0u);
      return is_dead;
    });
    for (const auto& [id, known] : objects) {
      ASSERT_EQ(known.object->id, id);
      ASSERT_EQ(known.object->check, ~id);
      ASSERT_EQ(destroyed.count(id), 0u);
      for (std::size_t at = 0; at < known.refs.size(); ++at) {
        ASSERT_EQ(known.object->refs[at].get(), known.refs[at] == 0 ? nullptr : objects.at(known.refs[at]).object);
      }
    }
    const auto faults = h.verify();
    ASSERT_TRUE(faults.empty()) << faults[0];
  }

  void freeze() {
    h.freeze();
    const std::set<identity> live = reachable();
    sealed = live;
  }

  void step() {
    const std::size_t dice = below(1000);
    if (dice < 250) return make<thin>();
    if (dice < 300) return make<childless>();
    if (dice < 350) return make<wide_one>();
    if (dice < 353) return make<giant>();
    if (dice < 400) return make<mixed>();
    if (dice < 750) return link();
    if (dice < 800) return park();
    if (dice < 985) {
      if (roots.empty()) return;
      std::swap(roots[below(roots.size())], roots.back());
      return roots.pop_back();
    }
    if (dice < 988) return freeze();
    if (dice < 991) {
      h.thaw();
      return sealed.clear();
    }
    if (dice < 993) return h.collect();  // and nobody looks
    collect_and_compare();
  }

  std::multiset<identity> destroyed;  // before the heap, which tells it when it ends
  heap h{{.reserve_bytes = 256 << 20,
          .first_collection_bytes = 200'000,
          .reuse_percent = 10,
          .mark_stack_bytes = 64 << 10}};
  model_stacks stacks;
  std::mt19937_64 random;
  identity last_id = 0;
  std::uint32_t generation = 0;
  std::map<identity, entry> objects;
  std::set<identity> sealed;
  std::array<std::vector<identity>, model_stacks::count> parked;
  std::vector<std::pair<identity, root<anything>>> roots;
};

mixed::~mixed() {
  EXPECT_EQ(check, ~id);
  world->destroyed.insert(who);
}

std::uint64_t seed() {
  if (const char* given = std::getenv("RAMIE_TEST_SEED")) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

TEST(heap_model, random_programs_keep_what_is_reachable_and_nothing_else) {
  const std::uint64_t first = seed();
  std::printf("seed %llu (RAMIE_TEST_SEED)\n", static_cast<unsigned long long>(first));
  for (std::uint64_t round = 0; round < 30; ++round) {
    auto world = std::make_unique<model_world>(first + round);
    for (int at = 0; at < 3000; ++at) {
      world->step();
      if (testing::Test::HasFatalFailure()) {
        world->roots.clear();
        FAIL() << "seed " << first + round << ", step " << at;
      }
    }
    world->collect_and_compare();
    world->roots.clear();
    world->h.thaw();
    world->sealed.clear();
    world->collect_and_compare();
  }
}

// The same program in a parent and a child from a random moment on: neither may see the other.
TEST(heap_model, a_child_goes_on_where_its_parent_was) {
  const std::uint64_t first = seed();
  std::printf("seed %llu (RAMIE_TEST_SEED)\n", static_cast<unsigned long long>(first));
  for (std::uint64_t round = 0; round < 5; ++round) {
    model_world world(first + round);
    for (std::size_t at = 500 + world.below(1000); at > 0; --at) world.step();
    const auto go_on = [&](std::uint64_t with) {
      world.random.seed(with);
      for (int at = 0; at < 1000 && !testing::Test::HasFailure(); ++at) world.step();
      world.collect_and_compare();
      return 0;
    };
    EXPECT_EQ(in_child([&] { return go_on(first); }), 0) << "seed " << first + round;
    go_on(first + 1);
    world.roots.clear();
  }
}

// A canary: a heap that forgets a root must not pass.
TEST(heap_model, the_model_notices_an_object_that_is_freed_too_early) {
  model_world world(1);
  for (int at = 0; at < 200; ++at) world.step();
  world.make<thin>();
  const identity forgotten = world.roots.back().first;
  world.roots.back().second.reset();
  world.h.thaw();
  world.sealed.clear();
  for (auto& ids : world.parked) ids.clear();
  world.stacks.generations.fill(0);
  const std::size_t expected = world.reachable().size();
  EXPECT_TRUE(world.reachable().contains(forgotten));
  world.h.collect();
  world.h.collect();
  EXPECT_LT(world.h.statistics().live_objects, expected);
  world.roots.clear();
}

}  // namespace
}  // namespace ramie::test
