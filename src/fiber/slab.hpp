// Where control blocks live: chunks of 1 MiB in reservations that are never unmapped, so that a stale reference finds
// a block that says so.
//
//   chunk | 16 KiB unused | 5,120 control blocks, 64 bytes each | 5,120 cold blocks, 128 bytes each | unused
//
// Blocks made in a row lie in a row. The unused part in front lets a loop look ahead beyond its end in either
// direction without leaving the reservation. Any thread; each has a cache of free blocks.
#pragma once

#include "fiber/cold_block.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ramie::inline v0::control {

inline constexpr std::size_t chunk_bytes = std::size_t{1} << 20;
inline constexpr std::size_t blocks_offset = std::size_t{16} << 10;
inline constexpr std::size_t blocks_per_chunk = 5120;
inline constexpr std::size_t cold_offset = blocks_offset + blocks_per_chunk * sizeof(control_block);
static_assert(cold_offset + blocks_per_chunk * sizeof(cold_block) <= chunk_bytes);
static_assert(context::prefetch_reach_bytes * context::prefetch_distance <= blocks_offset);

// All chunks ever opened; append only, read by anyone. 65,536 of them are 335 million fibers. Zero-filled at first.
struct chunk_table {
  static constexpr std::size_t most = 65536;
  std::atomic<std::size_t> count;
  std::atomic<std::uintptr_t> chunks[most];
};
extern chunk_table all_chunks;

inline cold_block& cold(const control_block* block) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(block);
  const std::uintptr_t chunk = address & ~(chunk_bytes - 1);
  const std::size_t index = (address - chunk - blocks_offset) / sizeof(control_block);
  return *reinterpret_cast<cold_block*>(chunk + cold_offset + index * sizeof(cold_block));
}

// The calling thread's free blocks; a free block keeps the next one in resumer_sp.
struct block_cache {
  control_block* free = nullptr;
  std::size_t free_count = 0;
  std::uintptr_t fresh = 0, fresh_end = 0;  // never used yet, in a row
};
[[gnu::tls_model("initial-exec")]] extern constinit thread_local block_cache blocks;
inline constexpr std::size_t cached_blocks_most = 4096;

control_block* take_fresh_block();
void give_surplus_back(std::size_t keep) noexcept;

// A block with word == unused; its cold block holds nothing. Throws stack_error when there is no address space.
inline control_block* take_block() {
  control_block* block = blocks.free;
  if (block == nullptr) [[unlikely]]
    return take_fresh_block();
  blocks.free = reinterpret_cast<control_block*>(block->resumer_sp);
  --blocks.free_count;
  block->resumer_sp = 0;
  return block;
}

// Back to the calling thread's cache; its id becomes 0, so references to it are stale from now on.
inline void return_block(control_block* block) noexcept {
  __atomic_store_n(&block->id, 0, __ATOMIC_RELAXED);
  block->word = context::unused;
  __atomic_store_n(&block->home, nullptr, __ATOMIC_RELAXED);
  block->flags = 0;
  block->resumer_sp = reinterpret_cast<std::uintptr_t>(blocks.free);
  blocks.free = block;
  if (++blocks.free_count > cached_blocks_most) [[unlikely]]
    give_surplus_back(cached_blocks_most / 2);
}

// The calling thread ends.
void release_block_cache() noexcept;

// Around fork.
void lock_slab() noexcept;
void unlock_slab() noexcept;

// Calls visit(block) for every block that holds a fiber, in the order of addresses. Other threads may be changing
// theirs meanwhile: a visitor reads single words.
void for_each_block(void (*visit)(control_block* block, void* argument), void* argument);

}  // namespace ramie::inline v0::control
