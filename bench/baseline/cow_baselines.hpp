// The two classical ways to keep a mark, over the same graph as ours: what `ramie bench cow` compares with.
//
// A binary tree of 64-byte objects in random order over the heap, a share of dead ones among them. Not a usable heap:
// only what a collection and the allocations after it write is the same as in a real one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ramie::baseline {

enum class mark_place : std::uint8_t {
  in_object,  // a bit of the header, as Ruby before 2.0 and V8's cppgc; the sweep changes nothing
  bitmap      // beside the objects, as Ruby since 2.0; the sweep threads a free list through the dead objects
};

struct tree_heap;
struct tree_heap_deleter {
  void operator()(tree_heap* heap) const noexcept;
};
using tree_heap_pointer = std::unique_ptr<tree_heap, tree_heap_deleter>;

tree_heap_pointer make_tree_heap(std::size_t bytes, double garbage);
// Marks and sweeps; how many objects live.
std::size_t collect(tree_heap& heap, mark_place place);
// Takes `count` objects: from the free list, or from fresh memory where the sweep made none.
void allocate(tree_heap& heap, std::size_t count);

}  // namespace ramie::baseline
