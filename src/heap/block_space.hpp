// All blocks of a heap: where they are, which are free, and their planes.
//
// Owner thread. Invariants, checked by `verify`: allocation bits only in blocks in use and only of cells that exist;
// destructor ⊆ allocated, doomed ⊆ destructor; of a sealed block the marks equal the allocation bits, so that the
// marker takes all its objects for marked already and never writes there.
//
// Two planes exchange the roles of "allocated" and "marked": after marking, what is marked is what is allocated. That
// is `allocated &= marked` without writing a word of it, and half of what a first collection would dirty in a child.
#pragma once

#include "heap/block.hpp"
#include "heap/region.hpp"

#include <bit>

namespace ramie::heaps {

class block_space {
 public:
  block_space(std::size_t reserve_bytes, bool huge_pages);

  // The cell that the address lies in, if a block in use has one there, whether allocated or not.
  [[nodiscard]] bool find(std::uintptr_t address, cell_place& found) const noexcept {
    const std::uintptr_t offset = address - base_;
    if (offset >= end_bytes_) return false;
    std::uint32_t number = static_cast<std::uint32_t>(offset / block_bytes);
    const block* at = &blocks_[number];
    if (at->kind == block_kind::tail) {
      number -= at->span;
      at = &blocks_[number];
    }
    if (at->kind == block_kind::head) {
      found = {number, 0};
      return offset - std::uintptr_t{number} * block_bytes < object_bytes_of_head(number);
    }
    const std::uint64_t within = offset % block_bytes;
    found = {number, static_cast<std::uint32_t>(within * at->reciprocal >> 32)};
    return at->kind == block_kind::cells && found.cell < at->cell_count;
  }

  // A block, or as many adjacent ones as the object needs; its words are zero in every plane. no_block when the
  // reservation or the system has no more.
  [[nodiscard]] std::uint32_t take_cells(const heap_type& type, std::uint32_t cell_bytes, std::uint32_t bin) noexcept;
  [[nodiscard]] std::uint32_t take_span(const heap_type& type, std::size_t object_bytes) noexcept;
  void free(std::uint32_t number) noexcept;
  // Gives the pages of empty blocks back to the system when there are more than `keep`.
  void release_empty(std::size_t keep) noexcept;

  [[nodiscard]] block& operator[](std::uint32_t number) const noexcept { return blocks_[number]; }
  [[nodiscard]] std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(end_bytes_ / block_bytes); }
  [[nodiscard]] std::byte* address_of(cell_place at) const noexcept {
    return objects_.begin() + std::size_t{at.block} * block_bytes + std::size_t{at.cell} * blocks_[at.block].cell_bytes;
  }
  [[nodiscard]] std::size_t object_bytes(cell_place at) const noexcept {
    return blocks_[at.block].kind == block_kind::head ? object_bytes_of_head(at.block) : blocks_[at.block].cell_bytes;
  }
  [[nodiscard]] bool in_use(std::uint32_t number) const noexcept {
    return blocks_[number].kind == block_kind::cells || blocks_[number].kind == block_kind::head;
  }
  [[nodiscard]] std::size_t used_blocks() const noexcept { return used_blocks_; }
  [[nodiscard]] std::size_t blocks_of(std::uint32_t number) const noexcept {
    return blocks_[number].kind == block_kind::head ? blocks_[number].span : 1;
  }
  [[nodiscard]] std::uint8_t& flags(std::uint32_t number) const noexcept { return flags_[number]; }
  [[nodiscard]] bool is_sealed(std::uint32_t number) const noexcept { return (flags_[number] & sealed) != 0; }
  [[nodiscard]] std::uint8_t& age(std::uint32_t number) const noexcept { return ages_[number]; }
  [[nodiscard]] std::uint32_t& next(std::uint32_t number) const noexcept { return next_[number]; }

  [[nodiscard]] std::uint64_t* allocated(std::uint32_t number) const noexcept { return words(turn_, number); }
  [[nodiscard]] std::uint64_t* marked(std::uint32_t number) const noexcept { return words(turn_ ^ 1, number); }
  [[nodiscard]] std::uint64_t* destructor(std::uint32_t number) const noexcept { return words(2, number); }
  [[nodiscard]] std::uint64_t* doomed(std::uint32_t number) const noexcept { return words(3, number); }
  [[nodiscard]] std::uint32_t words_of(std::uint32_t number) const noexcept {
    return words_for(blocks_[number].cell_count);
  }
  [[nodiscard]] bool is_allocated(cell_place at) const noexcept {
    return (allocated(at.block)[at.cell / 64] & bit_of(at.cell)) != 0;
  }
  // What was marked is what is allocated. One store: a fork at any moment finds this done or not begun.
  void exchange_planes() noexcept { turn_ ^= 1; }

  // New blocks come from `number` on, as long as there are any: below it lies what is sealed, which the marker then
  // recognises by address. `avoided` falls back to 0 when the address space runs out.
  void avoid_below(std::uint32_t number) noexcept { avoided_ = low_hint_ = number; }
  [[nodiscard]] std::uint32_t avoided() const noexcept { return avoided_; }

  [[nodiscard]] std::uintptr_t base() const noexcept { return base_; }
  [[nodiscard]] std::uintptr_t end_bytes() const noexcept { return end_bytes_; }
  [[nodiscard]] std::size_t reserved_bytes() const noexcept { return objects_.reserved_bytes(); }
  [[nodiscard]] std::size_t plane_words() const noexcept { return plane_words_; }
  [[nodiscard]] std::size_t most_plane_words() const noexcept {
    return reserved_bytes() / block_bytes * most_words_per_block;
  }
  [[nodiscard]] std::size_t metadata_bytes() const noexcept;

 private:
  static constexpr std::size_t planes = 4;
  [[nodiscard]] std::uint64_t* words(std::size_t plane, std::uint32_t number) const noexcept {
    return &planes_[plane][blocks_[number].bitmap_word];
  }
  [[nodiscard]] std::size_t object_bytes_of_head(std::uint32_t number) const noexcept {
    // A span has one cell and needs no reciprocal: the field holds how much of the last block the object takes.
    return (std::size_t{blocks_[number].span} - 1) * block_bytes + blocks_[number].reciprocal;
  }
  std::uint32_t take(std::uint32_t count) noexcept;
  std::uint32_t find_free(std::uint32_t count) const noexcept;
  std::uint32_t extend(std::uint32_t count) noexcept;
  bool give_words(block& to, std::uint32_t count) noexcept;

  region objects_;
  table<block> blocks_;
  table<std::uint64_t> planes_[planes];
  table<std::uint8_t> flags_, ages_;
  table<std::uint32_t> next_;
  std::uintptr_t base_ = 0;
  std::uintptr_t end_bytes_ = 0;  // blocks [0, end) have rows in every table
  std::size_t plane_words_ = 0;   // given out in every plane
  std::size_t used_blocks_ = 0;
  std::size_t empty_blocks_ = 0;
  std::size_t turn_ = 0;
  std::uint32_t low_hint_ = 0;  // no free block lies in [avoided, low_hint)
  std::uint32_t avoided_ = 0;
};

// Calls body(cell) for every set bit of `count` words, in order. The word is read once: body may clear bits.
template <class Words, class Body>
void for_each_bit(std::uint32_t count, Words word_at, Body body) {
  for (std::uint32_t at = 0; at < count; ++at) {
    for (std::uint64_t word = word_at(at); word != 0; word &= word - 1) {
      body(at * 64 + static_cast<std::uint32_t>(std::countr_zero(word)));
    }
  }
}

}  // namespace ramie::heaps
