#include "heap/root_table.hpp"

#include <ramie/heap/types.hpp>

#include <algorithm>

namespace ramie::heaps {

namespace {
constexpr std::size_t step_bytes = std::size_t{64} << 10;
}  // namespace

root_table::root_table(state& owner, std::size_t reserve_bytes)
    : pages_(reserve_bytes, 0, step_bytes, "a heap's roots"), owner_(&owner) {}

root_table::page& root_table::page_with_room() {
  while (first_with_room_ < page_count_) {
    page& at = page_at(first_with_room_);
    if (at.taken_count < slots_per_page) return at;
    ++first_with_room_;
  }
  if (!pages_.ensure((page_count_ + 1) * page_bytes)) {
    throw heap_full("heap: no room for another root: " + std::to_string(taken_) +
                        " are taken; let some go, or raise `ulimit -v` if it is set",
                    page_bytes, pages_.open_bytes(), pages_.reserved_bytes());
  }
  page& made = page_at(page_count_++);
  made.owner = owner_;
  made.table = this;
  // Places that are no slots count as taken.
  made.taken[bitmap_words - 1] = ~std::uint64_t{0} << (slots_per_page % 64);
  return made;
}

void** root_table::take(void* object) {
  page& at = page_with_room();
  std::size_t word = 0;
  while (at.taken[word] == ~std::uint64_t{0}) ++word;
  const auto bit = static_cast<std::size_t>(std::countr_one(at.taken[word]));
  void** slot = &at.slots[word * 64 + bit];
  *slot = object;
  at.taken[word] |= std::uint64_t{1} << bit;
  ++at.taken_count;
  ++taken_;
  return slot;
}

void root_table::release(void** slot) noexcept {
  page& at = *page_of(slot);
  const auto number = static_cast<std::size_t>(slot - at.slots);
  *slot = nullptr;
  at.taken[number / 64] &= ~(std::uint64_t{1} << (number % 64));
  --at.taken_count;
  root_table& table = *at.table;
  --table.taken_;
  const auto page_number =
      static_cast<std::size_t>(reinterpret_cast<std::byte*>(&at) - table.pages_.begin()) / page_bytes;
  table.first_with_room_ = std::min(table.first_with_room_, page_number);
}

}  // namespace ramie::heaps
