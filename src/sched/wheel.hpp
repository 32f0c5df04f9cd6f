// Timers of one thread: a hierarchical timing wheel, O(1) to set and to unset however many there are.
//
// Five levels of 256 slots; a slot of the first is 65,536 ns wide, of each further one 256 times that. A timer lies in
// the first level that reaches it and moves down as its time comes near. Within a slot timers are sorted when they are
// due, so they fire in the order of their times, equal ones as they were set. (Varghese and Lauck, "Hashed and
// hierarchical timing wheels", 1987; slots and levels as in Linux before 4.8.)
//
// What lies in the slots are entries, 32 bytes each: a timer is touched when it is set, unset and fired, and its memory
// is on its way before that. Walking over the timers themselves, each on a cold stack, took a microsecond for each.
// Invariant: a slot is a ring of entries through its head; the bit of a slot in used_ says that it is not empty.
#pragma once

#include "park/timer.hpp"
#include "sched/entry_pool.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace ramie::inline v0::sched {

using parking::timer;
using parking::timer_entry;
using parking::timer_link;

class timer_wheel {
 public:
  // `now_ns`: where it starts.
  explicit timer_wheel(std::int64_t now_ns) noexcept;
  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  void set(timer& one, std::int64_t due_ns) noexcept;
  void unset(timer& one) noexcept;

  // Fires what is due. Firing may set and unset timers. How many there were.
  std::size_t advance(std::int64_t now_ns) noexcept;

  // Nothing is due before this; INT64_MAX when no timer is set. Exact when the next is less than 16 ms away.
  [[nodiscard]] std::int64_t next_ns() const noexcept;

 private:
  static constexpr unsigned slot_shift = 16, level_shift = 8, levels = 5;
  static constexpr std::uint32_t slots = 1U << level_shift;

  [[nodiscard]] timer_link& head_for(std::int64_t due_ns) noexcept;
  void mark(std::uint32_t slot, bool used) noexcept;
  [[nodiscard]] std::uint32_t slot_of(const timer_link& head) const noexcept;
  [[nodiscard]] bool is_empty(std::uint32_t slot) const noexcept { return heads_[slot].next == &heads_[slot]; }
  [[nodiscard]] std::int64_t first_used(unsigned level, std::int64_t from, std::int64_t to) const noexcept;
  void pour_out(std::uint32_t slot) noexcept;  // what lies there goes to where it belongs now
  void sort(timer_link& head) noexcept;
  std::size_t fire_due(std::uint32_t slot, std::int64_t now_ns) noexcept;

  entry_pool entries_;
  std::array<timer_link, std::size_t{levels} * slots> heads_;
  std::array<std::uint64_t, std::size_t{levels} * slots / 64> used_{};
  std::int64_t passed_;                    // the first level's slot that time is in
  const timer_link* is_sorted_ = nullptr;  // the head of a slot that is
  std::size_t size_ = 0;
};

}  // namespace ramie::inline v0::sched
