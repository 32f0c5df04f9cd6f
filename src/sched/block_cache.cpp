#include "sched/block_cache.hpp"

namespace ramie::inline v0::sched {
namespace {

void* aligned(void* memory, std::size_t slack) noexcept {
  const auto word = (reinterpret_cast<std::uintptr_t>(memory) + slack) & ~std::uintptr_t{block_cache::alignment - 1};
  return reinterpret_cast<void*>(word);
}

}  // namespace

block_cache::~block_cache() {
  while (all_ != nullptr) forget(*all_);
}

block_cache::block block_cache::allocate(std::size_t bytes) {
  void* memory = std::malloc(bytes + slack);
  if (memory == nullptr) throw std::bad_alloc();
  return {aligned(memory, slack), memory};
}

void block_cache::let_go(const block& one) noexcept {
  if (slab* from = slab_of(one)) return settle(*from, 1);
  std::free(one.from);
}

// Release: what was done with the block is over. Acquire: by all, before the memory goes.
void block_cache::settle(slab& one, std::int64_t blocks) noexcept {
  if (one.balance.fetch_sub(blocks, std::memory_order_acq_rel) == blocks) std::free(one.malloced);
}

void block_cache::add_slab() {
  if (spare_ != nullptr) {
    slab* one = spare_;
    spare_ = one->next;
    --spare_count_;
    return enter(*one);
  }
  void* memory = std::malloc(malloc_bytes);
  if (memory == nullptr) throw std::bad_alloc();
  auto* made = ::new (aligned(memory, slack)) slab(this, memory);
  made->next_of_all = all_;
  if (all_ != nullptr) all_->previous_of_all = made;
  all_ = made;
  enter(*made);
}

void block_cache::enter(slab& one) noexcept {
  slab* before = usable_;
  one.previous = nullptr;
  one.next = before;
  usable_ = &one;
  if (before == nullptr) return;
  before->previous = &one;
  if (before->free_count == before->used) retire(*before);
}

void block_cache::leave(slab& one) noexcept {
  (one.previous == nullptr ? usable_ : one.previous->next) = one.next;
  if (one.next != nullptr) one.next->previous = one.previous;
}

// All of it is free.
void block_cache::retire(slab& one) noexcept {
  leave(one);
  if (spare_count_ == spare_slabs_most) return forget(one);
  one.next = spare_;
  spare_ = &one;
  ++spare_count_;
}

void block_cache::forget(slab& one) noexcept {
  (one.previous_of_all == nullptr ? all_ : one.previous_of_all->next_of_all) = one.next_of_all;
  if (one.next_of_all != nullptr) one.next_of_all->previous_of_all = one.previous_of_all;
  one.owner = nullptr;
  settle(one, owned - (one.used - one.free_count));
}

}  // namespace ramie::inline v0::sched
