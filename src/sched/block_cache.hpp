// Memory of tasks that have ended, kept for the next: blocks of one size, last in, first out. One thread.
//
// Aligned to a line of the cache by hand: aligned_alloc() leaves a hole of 64 bytes behind each block. A block is
// malloc()'s, so another thread may free() it instead of giving it back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace ramie::inline v0::sched {

class block_cache {
 public:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t block_bytes = 320;  // a record with a closure and a result of a few words
  static constexpr std::size_t most = 1024;
  struct block {
    void* start;  // aligned
    void* malloced;
  };

  block_cache() = default;
  block_cache(const block_cache&) = delete;
  block_cache& operator=(const block_cache&) = delete;
  ~block_cache() {
    while (free_ != nullptr) std::free(pop().malloced);
  }

  // At least so many bytes. Throws std::bad_alloc.
  [[nodiscard]] block take(std::size_t bytes) {
    return bytes <= block_bytes && free_ != nullptr ? pop() : allocate(bytes);
  }
  // The same from any thread, for whatever cache it will be given to.
  [[nodiscard]] static block allocate(std::size_t bytes) {
    // malloc() aligns to 16 and keeps 8 for itself: 384 bytes in all for a block of the usual size.
    constexpr std::size_t slack = alignment - alignof(std::max_align_t);
    void* memory = std::malloc((bytes <= block_bytes ? block_bytes : bytes) + slack);
    if (memory == nullptr) throw std::bad_alloc();
    const std::uintptr_t aligned = (reinterpret_cast<std::uintptr_t>(memory) + slack) & ~std::uintptr_t{alignment - 1};
    return {reinterpret_cast<void*>(aligned), memory};
  }
  // What take(bytes) gave.
  void give_back(const block& one, std::size_t bytes) noexcept {
    if (bytes > block_bytes || count_ == most) return std::free(one.malloced);
    free_ = ::new (one.start) free_block{free_, one.malloced};
    ++count_;
  }

 private:
  struct free_block {
    free_block* next;
    void* malloced;
  };
  block pop() noexcept {
    free_block* one = free_;
    free_ = one->next;
    --count_;
    return {one, one->malloced};
  }

  free_block* free_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace ramie::inline v0::sched
