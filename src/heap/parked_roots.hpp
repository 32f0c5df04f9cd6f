// What a root source's parked ranges refer to, remembered so that unchanged ranges cost nothing.
//
// Owner thread. A parked stack is immutable: what it referred to at the last look it refers to still. Per place the
// objects found are kept as handles; per object a count of places that refer to it, and a plane of one bit per object
// with a count. The start of a collection compares generations (4 bytes per place), reads the ranges that changed and
// ors the plane into the marks: the pause depends on what ran, not on how many are parked.
// Rejected: marking from the list of all remembered handles at every collection (0.6 to 2 ms for 100,000 places of
// eight pointers each; the plane takes 10 to 50 microseconds), and a plane without counts (it could not forget).
//
// Invariant: an object with a count is allocated; the bit is set exactly where the count is not 0.
#pragma once

#include "heap/block_space.hpp"
#include "heap/region.hpp"

#include <ramie/heap/types.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace ramie::heaps {

// The counts and bits, shared by all sources of a heap.
class pins {
 public:
  explicit pins(const block_space& space);

  // Brings the count into the cache: adding and removing wait for little else.
  void prefetch(cell_place at) const noexcept { __builtin_prefetch(&count_at(at), 1); }
  // Room for the counts of all cells there are; false when the system refuses it.
  [[nodiscard]] bool ensure() noexcept;
  // After `ensure`.
  void add(cell_place at) noexcept;
  void remove(cell_place at) noexcept;
  void forget_all() noexcept;

  [[nodiscard]] std::size_t pinned_objects() const noexcept { return pinned_; }
  [[nodiscard]] bool any_in(std::uint32_t block) const noexcept {
    return block < in_block_.count() && in_block_[block] != 0;
  }
  [[nodiscard]] std::uint64_t* bits(std::uint32_t block) const noexcept { return &bits_[space_[block].bitmap_word]; }
  [[nodiscard]] std::uint32_t count_of(cell_place at) const noexcept;
  [[nodiscard]] std::size_t open_bytes() const noexcept {
    return counts_.open_bytes() + bits_.open_bytes() + in_block_.open_bytes();
  }

 private:
  const block_space& space_;
  // As dense as a plane: with a count per possible cell of a block, each would lie on a page of its own.
  [[nodiscard]] std::uint32_t& count_at(cell_place at) const noexcept {
    return counts_[std::size_t{space_[at.block].bitmap_word} * 64 + at.cell];
  }

  table<std::uint32_t> counts_;
  table<std::uint64_t> bits_;
  table<std::uint32_t> in_block_;
  std::size_t pinned_ = 0;
};

// One source's places.
class parked_roots {
 public:
  parked_roots(const block_space& space, pins& pinned) : space_(space), pins_(pinned) {}

  // Brings the places up to date; how many ranges were read. Throws heap_full; a place not read then is read next time.
  std::size_t update(std::span<const std::uint32_t> generations, std::span<const root_range> ranges);
  // Unpins everything: the source is gone.
  void clear() noexcept;
  // Forgets without unpinning: the pins were forgotten too.
  void forget() noexcept;

 private:
  struct place {
    std::uint32_t first = 0;  // in handles_
    std::uint32_t count = 0;
  };
  struct found_place {
    std::uint32_t number;
    place found;  // in found_
  };
  [[nodiscard]] std::span<const std::uint32_t> handles_of(place at) const noexcept {
    return std::span(handles_).subspan(at.first, at.count);
  }
  void collect_changes(std::span<const std::uint32_t> generations);
  void fetch(std::uint32_t number, root_range range) const noexcept;
  void find(std::uint32_t number, root_range range);
  void replace(std::uint32_t number, std::span<const std::uint32_t> found);
  void drop(std::uint32_t number) noexcept;
  void compact();

  const block_space& space_;
  pins& pins_;
  std::vector<std::uint32_t> seen_;  // generations; 0 where nothing is remembered
  std::vector<place> places_;
  std::vector<std::uint32_t> handles_;
  std::size_t handles_in_use_ = 0;
  std::vector<std::uint32_t> changed_;
  std::vector<std::uint32_t> found_;  // by the batch that is being read
  std::vector<found_place> batch_;
};

}  // namespace ramie::heaps
