#include "cow_baselines.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <numeric>
#include <random>
#include <vector>

namespace ramie::baseline {

namespace {

constexpr std::uint32_t nobody = ~std::uint32_t{0};

struct object {
  std::uint32_t header;  // bit 0: in use, bit 1: marked
  std::uint32_t next_free;
  std::array<std::uint32_t, 2> children;
  std::array<std::uint64_t, 6> payload;
};
static_assert(sizeof(object) == 64);

template <class T>
T* map(std::size_t count) {
  void* mapped =
      mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T*>(mapped);
}

}  // namespace

struct tree_heap {
  explicit tree_heap(std::size_t objects_count)
      : count(objects_count), objects(map<object>(count)), marks(map<std::uint64_t>(count / 64 + 1)) {}
  ~tree_heap() {
    munmap(objects, count * sizeof(object));
    munmap(marks, (count / 64 + 1) * sizeof(std::uint64_t));
  }
  tree_heap(const tree_heap&) = delete;
  tree_heap& operator=(const tree_heap&) = delete;

  std::size_t count;
  object* objects;
  std::uint64_t* marks;
  std::uint32_t top = nobody;
  std::uint32_t free = nobody;
};

void tree_heap_deleter::operator()(tree_heap* heap) const noexcept { delete heap; }

tree_heap_pointer make_tree_heap(std::size_t bytes, double garbage) {
  tree_heap_pointer heap(new tree_heap(bytes / sizeof(object)));
  std::vector<std::uint32_t> order(heap->count);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), std::mt19937(42));
  const auto live = static_cast<std::size_t>(static_cast<double>(heap->count) * (1 - garbage));
  for (std::size_t at = 0; at < heap->count; ++at) {
    object& made = heap->objects[order[at]];
    made.header = 1;
    made.payload.fill(at);
    for (std::size_t side = 0; side < 2; ++side) {
      const std::size_t child = 2 * at + 1 + side;
      made.children[side] = at < live && child < live ? order[child] : nobody;
    }
  }
  heap->top = order[0];
  return heap;
}

std::size_t collect(tree_heap& heap, mark_place place) {
  const auto mark = [&](std::uint32_t at) {
    if (place == mark_place::in_object) {
      const bool is_new = (heap.objects[at].header & 2) == 0;
      heap.objects[at].header |= 2;
      return is_new;
    }
    std::uint64_t& word = heap.marks[at / 64];
    const std::uint64_t bit = std::uint64_t{1} << (at % 64);
    const bool is_new = (word & bit) == 0;
    word |= bit;
    return is_new;
  };
  std::size_t live = 0;
  std::vector<std::uint32_t> stack{heap.top};
  mark(heap.top);
  while (!stack.empty()) {
    const std::uint32_t at = stack.back();
    stack.pop_back();
    ++live;
    for (std::uint32_t child : heap.objects[at].children) {
      if (child != nobody && mark(child)) stack.push_back(child);
    }
  }
  if (place == mark_place::bitmap) {
    for (std::size_t at = heap.count; at-- > 0;) {
      if ((heap.marks[at / 64] >> (at % 64) & 1) != 0) continue;
      heap.objects[at].header = 0;
      heap.objects[at].next_free = heap.free;
      heap.free = static_cast<std::uint32_t>(at);
    }
  }
  return live;
}

void allocate(tree_heap& heap, std::size_t count) {
  for (; count > 0 && heap.free != nobody; --count) {
    object& taken = heap.objects[heap.free];
    heap.free = taken.next_free;
    taken = {};
    taken.header = 1;
  }
  if (count > 0) std::memset(static_cast<void*>(map<object>(count)), 1, count * sizeof(object));
}

}  // namespace ramie::baseline
