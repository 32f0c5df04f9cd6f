// The slots behind `root<T>`: pages of pointers with a bitmap of which are taken.
//
// Owner thread. A page is found from its slot's address, and from the page its heap, so a root needs no more than the
// slot. Slots are handed out lowest page first: after a fork, roots that come and go copy a page or two.
//
// A slot whose top bit is set holds a cell rather than an object: one whose constructor has not returned or whose
// destructor has begun. It is kept, and read word by word instead of through its `trace`.
#pragma once

#include "heap/region.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ramie::heaps {

struct state;

inline constexpr std::uintptr_t unfinished_bit = std::uintptr_t{1} << 63;
inline void* unfinished(void* cell) noexcept {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(cell) | unfinished_bit);
}

class root_table {
 public:
  root_table(state& owner, std::size_t reserve_bytes);

  // A slot that holds `object`. Throws heap_full when there is no room for another page of slots.
  void** take(void* object);
  static void release(void** slot) noexcept;
  [[nodiscard]] static state& owner_of(void* const* slot) noexcept { return *page_of(slot)->owner; }
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }
  [[nodiscard]] std::size_t open_bytes() const noexcept { return pages_.open_bytes(); }

  // Calls body(address) for every slot's content, null or not, with the unfinished bit as it is.
  template <class Body>
  void for_each(Body body) const {
    for (std::size_t number = 0; number < page_count_; ++number) {
      const page& at = page_at(number);
      for (std::size_t word = 0; word < bitmap_words; ++word) {
        for (std::uint64_t bits = at.taken[word]; bits != 0; bits &= bits - 1) {
          const std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
          if (slot >= slots_per_page) break;
          body(reinterpret_cast<std::uintptr_t>(at.slots[slot]));
        }
      }
    }
  }

 private:
  static constexpr std::size_t page_bytes = 4096;
  static constexpr std::size_t bitmap_words = 8;
  static constexpr std::size_t slots_per_page = page_bytes / sizeof(void*) - bitmap_words - 3;
  struct page {
    state* owner;
    root_table* table;
    std::size_t taken_count;
    std::uint64_t taken[bitmap_words];
    void* slots[slots_per_page];
  };
  static_assert(sizeof(page) == page_bytes);

  static page* page_of(void* const* slot) noexcept {
    return reinterpret_cast<page*>(reinterpret_cast<std::uintptr_t>(slot) & ~std::uintptr_t{page_bytes - 1});
  }
  page& page_at(std::size_t number) const noexcept {
    return *reinterpret_cast<page*>(pages_.begin() + number * page_bytes);
  }
  page& page_with_room();

  region pages_;
  state* owner_;
  std::size_t page_count_ = 0;
  std::size_t first_with_room_ = 0;  // all pages before it are full
  std::size_t taken_ = 0;
};

}  // namespace ramie::heaps
