#include "heap/marker.hpp"

#include "heap/words.hpp"

#include <algorithm>
#include <utility>

namespace ramie::heaps {

namespace {

constexpr std::size_t first_stack_bytes = std::size_t{64} << 10;
// Addresses taken off the stack wait here while their objects are fetched: `ramie bench cow`, mark_time.
constexpr std::size_t in_flight = 8;

}  // namespace

marker::mark_stack::mark_stack(const block_space& of, std::size_t bytes)
    : visitor(nullptr, nullptr, &more_room),
      space(of),
      memory(std::max(bytes, first_stack_bytes), 0, first_stack_bytes, "a heap's mark stack"),
      bottom(reinterpret_cast<std::uintptr_t*>(memory.begin())) {
  next_ = end_ = bottom;
}

void marker::mark_stack::begin(std::uintptr_t wanted, std::uintptr_t wanted_bytes) noexcept {
  wanted_begin_ = wanted;
  wanted_bytes_ = wanted_bytes;
  lost = false;
  clear();
}

void marker::mark_stack::more_room(visitor& visit) {
  auto& self = static_cast<mark_stack&>(visit);
  const std::size_t open = self.memory.open_bytes();
  if (self.memory.ensure(std::max(first_stack_bytes, 2 * open)) || self.memory.ensure(open + first_stack_bytes)) {
    self.end_ = self.bottom + self.memory.open_bytes() / sizeof(std::uintptr_t);
    return;
  }
  // First goes what is marked by now. If that is too little, half of the rest is given up: those objects are marked by
  // nobody, and only another pass over the marked finds them. What stays is unmarked, so each pass marks something new;
  // giving up without looking first would keep the same addresses in every pass.
  RAMIE_CHECK(open != 0);
  self.next_ = std::remove_if(self.bottom, self.end_, [&self](std::uintptr_t address) {
    cell_place at;
    return self.space.find(address, at) && (self.space.marked(at.block)[at.cell / 64] & bit_of(at.cell)) != 0;
  });
  std::uintptr_t* half = self.bottom + open / sizeof(std::uintptr_t) / 2;
  if (self.next_ <= half) return;
  self.lost = true;
  self.next_ = half;
}

marker::marker(const block_space& space, std::size_t stack_bytes) : space_(space), stack_(space, stack_bytes) {}

void marker::begin() noexcept {
  const std::uintptr_t avoided = std::uintptr_t{space_.avoided()} * block_bytes;
  stack_.begin(space_.base() + avoided, std::max(space_.end_bytes(), avoided) - avoided);
  overflows_ = 0;
  for (std::uint32_t number = 0; number < space_.count(); ++number) {
    if (!space_.in_use(number) || space_.is_sealed(number)) continue;
    std::fill_n(space_.marked(number), space_.words_of(number), 0);
  }
}

void marker::show_words(const void* begin, const void* end) {
  for_each_word(begin, end, space_.base(), space_.end_bytes(), [this](std::uintptr_t word) {
    cell_place at;
    if (space_.find(word, at) && space_.is_allocated(at)) show(word);
  });
}

bool marker::mark(cell_place at) noexcept {
  std::uint64_t& word = space_.marked(at.block)[at.cell / 64];
  if ((word & bit_of(at.cell)) != 0) return false;
  if (!space_.is_allocated(at)) {
    ++dangling_;
    return false;
  }
  word |= bit_of(at.cell);
  return true;
}

void marker::trace(cell_place at) {
  const block& of = space_[at.block];
  const std::byte* object = space_.address_of(at);
  const bool whole = of.type->destroy == nullptr || (space_.destructor(at.block)[at.cell / 64] & bit_of(at.cell)) != 0;
  if (!whole) {
    show_words(object, object + space_.object_bytes(at) / sizeof(std::uintptr_t) * sizeof(std::uintptr_t));
  } else if (of.type->trace != nullptr) {
    of.type->trace(object, stack_);
  }
}

void marker::take_off(std::uintptr_t address) {
  cell_place at;
  if (!space_.find(address, at)) {
    ++dangling_;
  } else if (mark(at)) {
    trace(at);
  }
}

void marker::empty_stack() {
  std::uintptr_t waiting[in_flight] = {};
  std::size_t turn = 0;
  for (std::size_t idle = 0; idle < in_flight;) {
    std::uintptr_t fetched = 0;
    if (!stack_.empty()) {
      fetched = stack_.pop();
      __builtin_prefetch(reinterpret_cast<const void*>(fetched));
    }
    const std::uintptr_t ready = std::exchange(waiting[turn], fetched);
    turn = (turn + 1) % in_flight;
    if (ready != 0) take_off(ready);
    idle = fetched == 0 && ready == 0 ? idle + 1 : 0;
  }
}

void marker::trace_marked() {
  for (std::uint32_t number = 0; number < space_.count(); ++number) {
    if (!space_.in_use(number)) continue;
    for_each_bit(
        space_.words_of(number), [&](std::uint32_t at) { return space_.marked(number)[at]; },
        [&](std::uint32_t cell) {
          trace({number, cell});
          empty_stack();
        });
  }
}

void marker::drain() {
  empty_stack();
  while (stack_.lost) {
    stack_.lost = false;
    ++overflows_;
    trace_marked();
  }
}

void marker::finish() noexcept {
  stack_.clear();
  stack_.memory.discard(first_stack_bytes, stack_.memory.open_bytes());
}

}  // namespace ramie::heaps
