// Finds what is reachable: the mark stack, and the loop that empties it.
//
// Owner thread, inside a collection. The stack holds addresses that somebody showed and nobody has looked at yet; an
// address is judged when it is taken off: outside the heap, in no object, marked already, or newly marked and traced.
// So nothing is believed: a word of a stack, a ref into freed memory and a ref to a base class in the middle of an
// object take the same path.
//
// A full stack loses addresses, never objects: what is marked is traced once more until nothing was lost.
#pragma once

#include "heap/block_space.hpp"
#include "heap/region.hpp"

#include <ramie/heap/types.hpp>

#include <cstdint>

namespace ramie::heaps {

class marker {
 public:
  marker(const block_space& space, std::size_t stack_bytes);
  marker(const marker&) = delete;
  marker& operator=(const marker&) = delete;

  // Clears the marks of all blocks that are not sealed, and the stack.
  void begin() noexcept;
  // Puts an address on the stack. Owner of it: anybody.
  void show(std::uintptr_t address) { stack_.pointer(reinterpret_cast<const void*>(address)); }
  // Words that might be addresses of objects: only those that are go onto the stack.
  void show_words(const void* begin, const void* end);
  // Marks the object without looking at what it refers to; whether it was not marked yet.
  bool mark(cell_place at) noexcept;
  // Shows what the object refers to: through its `trace`, or word by word where it is not (or no longer) a whole T.
  void trace(cell_place at);
  // Until the stack is empty and nothing is lost.
  void drain();
  // After a collection: pages that a deep graph needed go back.
  void finish() noexcept;

  [[nodiscard]] std::size_t overflows() const noexcept { return overflows_; }
  [[nodiscard]] std::uint64_t dangling() const noexcept { return dangling_; }
  [[nodiscard]] std::size_t open_bytes() const noexcept { return stack_.memory.open_bytes(); }

 private:
  // The visitor whose buffer is the mark stack: a `trace` pushes without a call.
  struct mark_stack : visitor {
    mark_stack(const block_space& of, std::size_t bytes);
    void begin(std::uintptr_t wanted, std::uintptr_t wanted_bytes) noexcept;
    void clear() noexcept { next_ = bottom; }
    [[nodiscard]] bool empty() const noexcept { return next_ == bottom; }
    std::uintptr_t pop() noexcept { return *--next_; }
    static void more_room(visitor& self);

    const block_space& space;
    region memory;
    std::uintptr_t* bottom;
    bool lost = false;
  };

  void take_off(std::uintptr_t address);
  void empty_stack();
  void trace_marked();

  const block_space& space_;
  mark_stack stack_;
  std::size_t overflows_ = 0;
  std::uint64_t dangling_ = 0;
};

}  // namespace ramie::heaps
