// Where new cells come from: one bin per type and cell size.
//
// Owner thread. A bin fills runs: adjacent free cells of one block, found in the allocation bits when the run before is
// full. There is no free list; a freed cell is a cleared bit and is not touched until it is allocated again.
//
// Which block comes next decides what a forked child copies: 100,000 objects put into single holes of a shared heap
// dirty 25 to 118 MB, into fresh blocks 6.9. So: blocks of which much is free (heap_options::reuse_percent, twice that
// for old ones), then fresh blocks, then (limit or address space used up) any hole, inherited blocks last of all.
#pragma once

#include "heap/block_space.hpp"

#include <cstdint>
#include <deque>
#include <vector>

namespace ramie::heaps {

struct bin {
  const heap_type* type;
  std::uint32_t cell_bytes;
  std::uint32_t number;
  std::uint32_t block = no_block;  // whose run is being filled
  std::uint32_t next_cell = 0;     // the run: [next_cell, end_cell)
  std::uint32_t end_cell = 0;
  std::uint32_t reusable = no_block;  // lists through block_space::next
  std::uint32_t scarce = no_block;
};

// What one object takes.
struct object_shape {
  std::size_t bytes;  // rounded up
  bool large;         // a span of its own
};
object_shape shape_of(const heap_type& type, std::size_t tail_bytes) noexcept;

class bins {
 public:
  bins(block_space& space, unsigned reuse_percent) : space_(space), reuse_percent_(reuse_percent) {}

  // May throw bad_alloc for a type that is new to this heap.
  bin& of(const heap_type& type, std::uint32_t cell_bytes);

  // A cell of the bin's run; false when the run is full.
  [[nodiscard]] bool take(bin& from, cell_place& taken) noexcept {
    if (from.next_cell == from.end_cell) return false;
    taken = {from.block, from.next_cell++};
    space_.allocated(taken.block)[taken.cell / 64] |= bit_of(taken.cell);
    return true;
  }
  // Find the bin another run: in its block or one with much room; in a fresh block; in any hole. How many bytes it has,
  // 0 when there is none.
  [[nodiscard]] std::size_t next_run(bin& of) noexcept;
  [[nodiscard]] std::size_t fresh_run(bin& of) noexcept;
  [[nodiscard]] std::size_t scarce_run(bin& of) noexcept;

  // After a sweep, a thaw or a fork: all runs end, and every block in use is put on the list it belongs to.
  void begin_lists() noexcept;
  void list(std::uint32_t block, std::uint32_t live_cells) noexcept;

 private:
  std::size_t run_in(bin& of, std::uint32_t block, std::uint32_t from_cell) noexcept;
  std::size_t run_from_list(bin& of, std::uint32_t& head) noexcept;

  block_space& space_;
  unsigned reuse_percent_;
  std::deque<bin> bins_;
  std::vector<bin*> exact_;      // by type number: without a tail
  std::vector<bin*> with_tail_;  // few: searched
};

}  // namespace ramie::heaps
