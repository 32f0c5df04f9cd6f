#include "fiber/slab.hpp"

#include "os/memory.hpp"
#include "stack/refusal.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <new>

namespace ramie::inline v0::control {
namespace {

constexpr std::size_t first_reservation_bytes = std::size_t{64} << 20;
constexpr std::size_t largest_reservation_bytes = std::size_t{8} << 30;
constexpr std::size_t run_length = 128;  // fresh blocks that a thread takes at a time: neighbours stay neighbours

struct shared_state {
  std::mutex lock;
  control_block* free = nullptr;
  std::uintptr_t fresh = 0, fresh_end = 0;  // rest of the newest chunk
  std::uintptr_t frontier = 0, reservation_end = 0;
  std::size_t next_reservation_bytes = first_reservation_bytes;
};
constinit shared_state everything;
shared_state& shared() noexcept { return everything; }

void lock_slab() noexcept { shared().lock.lock(); }
void unlock_slab() noexcept { shared().lock.unlock(); }
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&lock_slab, &unlock_slab, &unlock_slab); }

// A free block keeps the next one in resumer_sp.
control_block* next_of(const control_block* block) noexcept {
  return reinterpret_cast<control_block*>(block->resumer_sp);
}

void open_reservation(shared_state& state) {
  std::size_t bytes = state.next_reservation_bytes;
  void* place = nullptr;
  // A chunk more than wanted, to align by.
  while ((place = os::reserve(bytes + chunk_bytes)) == nullptr) {
    if (bytes == chunk_bytes) throw stack::explain_refusal(errno, "mmap of control blocks", bytes);
    bytes /= 2;
  }
  state.frontier = (reinterpret_cast<std::uintptr_t>(place) + chunk_bytes - 1) & ~(chunk_bytes - 1);
  state.reservation_end = state.frontier + bytes;
  state.next_reservation_bytes = std::min(bytes * 2, largest_reservation_bytes);
}

void open_chunk(shared_state& state) {
  if (state.frontier == state.reservation_end) open_reservation(state);
  const std::size_t index = all_chunks.count.load(std::memory_order_relaxed);
  if (index == chunk_table::most) throw std::bad_alloc();
  if (const int error = os::open(reinterpret_cast<void*>(state.frontier), chunk_bytes); error != 0) {
    throw stack::explain_refusal(error, "opening control blocks (mprotect)", chunk_bytes);
  }
  state.fresh = state.frontier + blocks_offset;
  state.fresh_end = state.frontier + cold_offset;
  all_chunks.chunks[index].store(state.frontier, std::memory_order_release);
  all_chunks.count.store(index + 1, std::memory_order_release);
  state.frontier += chunk_bytes;
}

void refill() {
  shared_state& state = shared();
  std::lock_guard held(state.lock);
  if (state.free != nullptr) {
    for (std::size_t i = 0; i < run_length && state.free != nullptr; ++i) {
      control_block* block = state.free;
      state.free = next_of(block);
      block->resumer_sp = reinterpret_cast<std::uintptr_t>(blocks.free);
      blocks.free = block;
      ++blocks.free_count;
    }
    return;
  }
  if (state.fresh == state.fresh_end) open_chunk(state);
  const std::size_t bytes = std::min(run_length * sizeof(control_block), state.fresh_end - state.fresh);
  blocks.fresh = state.fresh;
  blocks.fresh_end = state.fresh + bytes;
  state.fresh += bytes;
}

}  // namespace

constinit chunk_table all_chunks;
constinit thread_local block_cache blocks;

void give_surplus_back(std::size_t keep) noexcept {
  shared_state& state = shared();
  std::lock_guard held(state.lock);
  while (blocks.free_count > keep) {
    control_block* block = blocks.free;
    blocks.free = next_of(block);
    --blocks.free_count;
    block->resumer_sp = reinterpret_cast<std::uintptr_t>(state.free);
    state.free = block;
  }
}

control_block* take_fresh_block() {
  if (blocks.fresh == blocks.fresh_end) refill();
  if (blocks.free != nullptr) return take_block();
  auto* block = reinterpret_cast<control_block*>(blocks.fresh);  // zero, as the kernel gives memory
  blocks.fresh += sizeof(control_block);
  new (&cold(block)) cold_block{};
  block->word = context::unused;
  return block;
}

void release_block_cache() noexcept {
  // Fresh blocks were never formatted; the free list only takes formatted ones.
  while (blocks.fresh != blocks.fresh_end) {
    auto* block = reinterpret_cast<control_block*>(blocks.fresh);  // zero, as the kernel gives memory
    blocks.fresh += sizeof(control_block);
    new (&cold(block)) cold_block{};
    return_block(block);
  }
  give_surplus_back(0);
}

void for_each_block(void (*visit)(control_block* block, void* argument), void* argument) {
  const std::size_t count = all_chunks.count.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uintptr_t chunk = all_chunks.chunks[i].load(std::memory_order_acquire);
    for (std::size_t k = 0; k < blocks_per_chunk; ++k) {
      auto* block = reinterpret_cast<control_block*>(chunk + blocks_offset + k * sizeof(control_block));
      if (__atomic_load_n(&block->id, __ATOMIC_ACQUIRE) != 0) visit(block, argument);
    }
  }
}

}  // namespace ramie::inline v0::control
