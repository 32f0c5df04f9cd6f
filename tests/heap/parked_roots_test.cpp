// Roots that the heap does not hold: ranges, generations, interior pointers, and stacks that are not touched.
#include "heap/heap_world.hpp"
#include "os/heap_memory.hpp"

#include <sys/mman.h>

#include <memory>
#include <stdexcept>

namespace ramie::test {
namespace {

// Parked stacks of a page each, written by the test.
class stacks final : public root_source {
 public:
  static constexpr std::size_t words = 512;
  explicit stacks(std::size_t count) : memory(count * words), generations(count), ranges(count) {}

  // Parks `objects` on a stack, as a fiber that ran would leave them.
  void park(std::size_t at, const std::vector<const void*>& objects) {
    std::uintptr_t* base = &memory[at * words] + words;
    std::uintptr_t* top = base - objects.size();
    for (std::size_t word = 0; word < objects.size(); ++word)
      top[word] = reinterpret_cast<std::uintptr_t>(objects[word]);
    ranges[at] = {top, base};
    ++generations[at];
  }
  void end(std::size_t at) { generations[at] = 0; }
  void report(root_scan& scan) override {
    if (error) throw std::runtime_error("no report today");
    scan.range({running.data(), running.data() + running.size()});
    scan.parked(generations, ranges);
  }

  std::vector<std::uintptr_t> memory;
  std::vector<std::uint32_t> generations;
  std::vector<root_range> ranges;
  std::vector<std::uintptr_t> running;
  bool error = false;
};

class heap_parked_roots : public heap_world {
 protected:
  heap_parked_roots() { h.add_root_source(source); }
  ~heap_parked_roots() override { h.remove_root_source(source); }
  node* make(std::uint64_t value) {
    root<node> made = h.make<node>();
    made->value = value;
    return made.get();
  }
  std::size_t live() {
    h.collect();
    EXPECT_TRUE(faults().empty()) << faults();
    return stats().live_objects;
  }
  stacks source{100};
};

TEST_F(heap_parked_roots, a_pointer_on_a_parked_stack_keeps_its_object_and_what_that_refers_to) {
  node* object = make(1);
  object->left = make_list(h, 10);
  source.park(3, {object});
  EXPECT_EQ(live(), 11u);
  EXPECT_EQ(stats().pinned_objects, 1u);
  source.end(3);
  EXPECT_EQ(live(), 0u);
}

TEST_F(heap_parked_roots, a_pointer_into_the_middle_of_an_object_keeps_it_small_or_large) {
  node* small = make(1);
  auto large = h.make<sized<300'000>>();
  char* middle = &large->rest[250'000];
  *middle = 9;
  large.reset();
  source.park(0, {&small->value, reinterpret_cast<char*>(small) + sizeof(node) - 1, middle});
  EXPECT_EQ(live(), 2u);
  EXPECT_EQ(*middle, 9);
  source.park(0, {});
  EXPECT_EQ(live(), 0u);
}

TEST_F(heap_parked_roots, words_that_are_no_pointers_to_objects_keep_nothing) {
  node* object = make(1);
  const auto address = reinterpret_cast<std::uintptr_t>(object);
  const auto word = [](std::uintptr_t value) { return reinterpret_cast<const void*>(value); };
  source.park(0, {nullptr, word(1), word(~std::uintptr_t{0}), word(address - 1), word(address + (1 << 16)),
                  word(address + 32), word(address + (std::uintptr_t{1} << 40))});
  EXPECT_EQ(live(), 0u);
}

TEST_F(heap_parked_roots, stacks_that_did_not_run_are_not_read_again) {
  std::vector<node*> objects;
  for (std::size_t at = 0; at < 100; ++at) {
    objects.push_back(make(at));
    source.park(at, {objects.back()});
  }
  EXPECT_EQ(live(), 100u);
  EXPECT_EQ(stats().last.ranges_scanned, 100u);
  EXPECT_EQ(live(), 100u);
  EXPECT_EQ(stats().last.ranges_scanned, 0u);
  // Were they read, this would crash: nothing is mapped there.
  for (root_range& each : source.ranges) each = {reinterpret_cast<void*>(8), reinterpret_cast<void*>(4096)};
  EXPECT_EQ(live(), 100u);
  source.park(7, {objects[7], objects[8]});
  source.end(8);
  EXPECT_EQ(live(), 100u);
  EXPECT_EQ(stats().last.ranges_scanned, 1u);
  source.park(7, {});
  EXPECT_EQ(live(), 98u);
}

TEST_F(heap_parked_roots, an_object_on_many_stacks_lives_until_the_last_lets_go) {
  node* shared = make(1);
  for (std::size_t at = 0; at < 100; ++at) source.park(at, {shared, shared});
  for (std::size_t at = 0; at < 100; ++at) {
    ASSERT_EQ(live(), 1u);
    at % 2 == 0 ? source.end(at) : source.park(at, {});
  }
  EXPECT_EQ(live(), 0u);
}

TEST_F(heap_parked_roots, places_beyond_the_end_are_empty) {
  for (std::size_t at = 0; at < 100; ++at) source.park(at, {make(at)});
  EXPECT_EQ(live(), 100u);
  source.generations.resize(40);
  source.ranges.resize(40);
  EXPECT_EQ(live(), 40u);
  source.generations.resize(100, 0);
  source.ranges.resize(100);
  EXPECT_EQ(live(), 40u);
}

TEST_F(heap_parked_roots, what_is_running_is_read_every_time) {
  source.running.push_back(reinterpret_cast<std::uintptr_t>(make(1)));
  EXPECT_EQ(live(), 1u);
  source.running[0] = 0;
  EXPECT_EQ(live(), 0u);
}

TEST_F(heap_parked_roots, a_removed_source_keeps_nothing) {
  source.park(0, {make(1)});
  EXPECT_EQ(live(), 1u);
  h.remove_root_source(source);
  EXPECT_EQ(live(), 0u);
}

TEST_F(heap_parked_roots, a_source_that_throws_ends_the_collection_and_nothing_else) {
  source.park(0, {make(1)});
  source.error = true;
  EXPECT_THROW(h.collect(), std::runtime_error);
  source.error = false;
  EXPECT_EQ(live(), 1u);
  source.ranges.pop_back();
  EXPECT_THROW(h.collect(), std::invalid_argument);
  source.ranges.push_back({});
  EXPECT_EQ(live(), 1u);
}

TEST_F(heap_parked_roots, pinned_objects_survive_freeze_thaw_and_fork) {
  source.park(0, {make(7)});
  h.freeze();
  source.park(1, {make(8)});
  EXPECT_EQ(live(), 2u);
  EXPECT_EQ(in_child([&] {
              EXPECT_EQ(live(), 2u);
              source.end(0);
              source.end(1);
              EXPECT_EQ(live(), 1u);  // the sealed one
              h.thaw();
              return static_cast<int>(live());
            }),
            0);
  h.thaw();
  EXPECT_EQ(live(), 2u);
}

TEST_F(heap_parked_roots, destructors_of_what_only_a_stack_kept_run_when_it_lets_go) {
  int destroyed = 0;
  source.park(0, {h.make<holder>(&destroyed).get()});
  EXPECT_EQ(live(), 1u);
  source.end(0);
  h.collect();
  EXPECT_EQ(destroyed, 1);
}

// 100,000 stacks of 64 KiB of which one page each was ever touched.
class untouched_stacks final : public root_source {
 public:
  static constexpr std::size_t count = 100'000;
  static constexpr std::size_t stride = 64 << 10;
  untouched_stacks() : memory(os::heap_memory::reserve(count * stride, 4096)), generations(count, 1) {}
  ~untouched_stacks() { os::heap_memory::release(memory, count * stride); }
  bool open(const void* object) {
    if (memory == nullptr || os::heap_memory::open(memory, count * stride) != 0) return false;
    for (std::size_t at = 0; at < count; ++at) {
      auto* base = reinterpret_cast<const void**>(memory + (at + 1) * stride);
      base[-1] = object;
      ranges.push_back({base - 64, base});
    }
    return true;
  }
  void report(root_scan& scan) override { scan.parked(generations, ranges); }
  std::byte* memory;
  std::vector<std::uint32_t> generations;
  std::vector<root_range> ranges;
};

TEST_F(heap_parked_roots, scanning_a_hundred_thousand_stacks_touches_no_page_that_was_not) {
  auto many = std::make_unique<untouched_stacks>();
  if (!many->open(make(1))) {
    std::printf("skipped: 100,000 stacks of 64 KiB: the address space is refused\n");
    GTEST_SKIP();
  }
  const auto resident = [&] {
    std::vector<unsigned char> pages(untouched_stacks::count * untouched_stacks::stride / 4096);
    EXPECT_EQ(mincore(many->memory, pages.size() * 4096, pages.data()), 0);
    std::size_t sum = 0;
    for (unsigned char page : pages) sum += page & 1;
    return sum;
  };
  const std::size_t before = resident();
  h.add_root_source(*many);
  h.collect();
  EXPECT_EQ(stats().last.ranges_scanned, untouched_stacks::count);
  EXPECT_EQ(stats().live_objects, 1u);
  EXPECT_EQ(resident(), before);
  h.remove_root_source(*many);
}

}  // namespace
}  // namespace ramie::test
