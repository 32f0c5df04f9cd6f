// The words of this room, and what is known of one block.
//
//   block    64 KiB of address space at a multiple of 64 KiB, numbered from the heap's start
//   cell     where one object lies: a block holds cells of one size for objects of one type
//   span     adjacent blocks that hold one object larger than `largest_cell_bytes`; its first block is the head
//   plane    one bit per cell, for all blocks; a block's words start at the same place in every plane
//   handle   block number and cell number in 32 bits
//   sealed   frozen: live until thawed, never allocated into, marks never written
//   inherited  was in use when this process was forked: allocated into only when nothing else is left
//
// The type stands here rather than in the object: that is what makes headers unnecessary, at the price of blocks that
// two types of one size cannot share.
#pragma once

#include <ramie/heap/types.hpp>

#include <cstddef>
#include <cstdint>

namespace ramie::heaps {

inline constexpr std::size_t block_bytes = std::size_t{64} << 10;
inline constexpr std::size_t granule_bytes = 16;
inline constexpr std::size_t largest_cell_bytes = block_bytes / 4;
inline constexpr std::size_t most_cells = block_bytes / granule_bytes;
// A block's words are given anew when it needs more than it had, and then by powers of two: 64 + 32 + ... words at
// most.
inline constexpr std::size_t most_words_per_block = 2 * most_cells / 64;
inline constexpr std::uint32_t no_block = ~std::uint32_t{0};
inline constexpr std::uint32_t no_bin = ~std::uint32_t{0};

enum class block_kind : std::uint8_t {
  untouched,  // free, and its pages were never touched or are given back
  empty,      // free, with pages
  cells,      //
  head,       // first block of a span
  tail        // any other block of a span
};

// A row of the block table. Written when the block is taken and when it is freed, and at no other time, so that a
// child's collections leave the table shared; what a collection changes stands in tables of its own.
struct block {
  const heap_type* type;
  std::uint32_t bitmap_word;  // in every plane
  std::uint32_t reciprocal;   // ceil(2^32 / cell_bytes): cell = offset * reciprocal >> 32, exact for 16-bit offsets
  std::uint32_t cell_bytes;   // of a head: 0, see span
  std::uint32_t bin;          // which list of its kind; no_bin for a span
  std::uint32_t span;         // of a head: blocks; of a tail: distance from the head
  std::uint16_t cell_count;
  std::uint8_t bitmap_words;  // room that this block's words have, kept when it is freed
  block_kind kind;
};
static_assert(sizeof(block) == 32);

enum block_flags : std::uint8_t { sealed = 1, inherited = 2 };

struct cell_place {
  std::uint32_t block;
  std::uint32_t cell;
  friend bool operator==(const cell_place&, const cell_place&) = default;
};

inline std::uint32_t handle_of(cell_place at) noexcept { return at.block << 12 | at.cell; }
inline cell_place place_of(std::uint32_t handle) noexcept { return {handle >> 12, handle & 0xfff}; }
static_assert(most_cells == 1 << 12);

inline std::uint64_t bit_of(std::uint32_t cell) noexcept { return std::uint64_t{1} << (cell & 63); }
inline std::uint32_t words_for(std::uint32_t cells) noexcept { return (cells + 63) / 64; }

}  // namespace ramie::heaps
