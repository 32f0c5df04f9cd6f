// Memory of tasks: blocks of one size, cut from slabs, each beside its neighbours in the order in which they were made.
//
// malloc() would keep 64 bytes more for each (its own word and what is lost to aligning by hand), and merges neighbours
// when a hundred thousand tasks end: a seventh of the time that as many sleepers took. A slab whose blocks have all
// come back goes back too, except for a few.
//
// One thread takes and gives back. Any other may let go of a block of whose cache it knows nothing, not even that it
// still lives: the block is then not used again before its slab is gone. Where blocks of a living cache are to be used
// again they must be sent to its thread.
// Invariant of a slab: taken = used - blocks in `free`; with an owner, `balance` = owned - those let go of elsewhere;
// without, the number of those that are still out. Who brings it to zero frees the slab.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace ramie::inline v0::sched {

class block_cache {
 public:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t block_bytes = 320;  // a record with a closure and a result of a few words
  static constexpr std::size_t spare_slabs_most = 4;
  struct block {
    void* start;  // aligned
    void* from;   // what malloc() gave, or a slab, which is told apart by its lowest bit
  };

  block_cache() = default;
  block_cache(const block_cache&) = delete;
  block_cache& operator=(const block_cache&) = delete;
  ~block_cache();

  // At least so many bytes. Throws std::bad_alloc.
  [[nodiscard]] block take(std::size_t bytes) {
    if (bytes > block_bytes) return allocate(bytes);
    if (usable_ == nullptr) [[unlikely]]
      add_slab();
    slab& from = *usable_;
    void* start = nullptr;
    if (from.free != nullptr) {
      start = from.free;
      from.free = from.free->next;
      --from.free_count;
    } else {
      start = from.blocks() + std::size_t{from.used++} * block_bytes;
    }
    if (from.free == nullptr && from.used == blocks_per_slab) [[unlikely]]
      leave(from);
    return {start, reinterpret_cast<char*>(&from) + 1};
  }
  // The same from any thread, for whatever thread will let go of it.
  [[nodiscard]] static block allocate(std::size_t bytes);

  // What take() or allocate() gave. The cache's thread.
  void give_back(const block& one) noexcept {
    slab* to = slab_of(one);
    if (to == nullptr || to->owner != this) [[unlikely]]
      return let_go(one);
    const bool was_full = to->free == nullptr && to->used == blocks_per_slab;
    to->free = ::new (one.start) free_block{to->free};
    ++to->free_count;
    if (was_full) [[unlikely]]
      enter(*to);
    if (to->free_count == to->used && to != usable_) [[unlikely]]
      retire(*to);
  }
  // The same on any thread.
  static void let_go(const block& one) noexcept;
  // It can be used again only when it is given back.
  [[nodiscard]] static bool is_of_a_cache(const block& one) noexcept { return slab_of(one) != nullptr; }

 private:
  struct free_block {
    free_block* next;
  };
  static constexpr std::int64_t owned = std::int64_t{1} << 32;
  struct alignas(alignment) slab {
    block_cache* owner;
    void* malloced;
    free_block* free = nullptr;
    slab *next = nullptr, *previous = nullptr;  // of those with room
    slab *next_of_all = nullptr, *previous_of_all = nullptr;
    std::uint32_t free_count = 0, used = 0;  // blocks in `free`; those that were ever taken, from the start
    alignas(alignment) std::atomic<std::int64_t> balance = owned;
    slab(block_cache* mine, void* memory) noexcept : owner(mine), malloced(memory) {}
    char* blocks() noexcept { return reinterpret_cast<char*>(this + 1); }
  };
  static constexpr std::size_t malloc_bytes = 64 * 1024 - 16;  // with malloc's own word a multiple of a page
  static constexpr std::size_t slack = alignment - alignof(std::max_align_t);
  static constexpr std::uint32_t blocks_per_slab = (malloc_bytes - slack - sizeof(slab)) / block_bytes;

  static slab* slab_of(const block& one) noexcept {
    const auto word = reinterpret_cast<std::uintptr_t>(one.from);
    return (word & 1) != 0 ? reinterpret_cast<slab*>(word - 1) : nullptr;
  }
  void add_slab();
  void enter(slab& one) noexcept;  // the list of those with room
  void leave(slab& one) noexcept;
  void retire(slab& one) noexcept;
  void forget(slab& one) noexcept;  // it has no owner any more
  static void settle(slab& one, std::int64_t blocks) noexcept;

  slab* usable_ = nullptr;  // those with room; all of the first may be free, of no other
  slab* spare_ = nullptr;   // those of which all is free
  std::size_t spare_count_ = 0;
  slab* all_ = nullptr;
};

}  // namespace ramie::inline v0::sched
