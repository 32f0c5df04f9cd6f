#include "sched/wheel.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace ramie::inline v0::sched {
namespace {

// Merges two lists that are sorted by time; equal ones of `a` come first.
timer* merge(timer* a, timer* b) noexcept {
  timer head;
  timer* last = &head;
  while (a != nullptr && b != nullptr) {
    timer*& earlier = b->due_ns < a->due_ns ? b : a;
    last->next = earlier;
    last = earlier;
    earlier = earlier->next;
  }
  last->next = a != nullptr ? a : b;
  return head.next;
}

// A stable merge sort, by `next` only; most lists are sorted already.
timer* sorted(timer* first) noexcept {
  timer* runs[64] = {};
  while (first != nullptr) {
    timer* run = first;
    timer* end = first;
    while (end->next != nullptr && end->next->due_ns >= end->due_ns) end = end->next;
    first = std::exchange(end->next, nullptr);
    unsigned level = 0;
    for (; runs[level] != nullptr; ++level) run = merge(std::exchange(runs[level], nullptr), run);
    runs[level] = run;
  }
  timer* all = nullptr;
  for (timer* run : runs) all = all == nullptr ? run : run == nullptr ? all : merge(run, all);
  return all;
}

}  // namespace

void timer_wheel::mark(std::uint32_t slot, bool used) noexcept {
  const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
  used_[slot / 64] = used ? used_[slot / 64] | bit : used_[slot / 64] & ~bit;
}

void timer_wheel::insert(timer& one) noexcept {
  // What is over lies in the slot that time is in; what is beyond the last level, in its farthest slot.
  const std::int64_t at = std::max(one.due_ns >> slot_shift, passed_);
  unsigned level = 0;
  while (level + 1 < levels && (at >> (level * level_shift)) - (passed_ >> (level * level_shift)) >= slots) ++level;
  std::int64_t place = at >> (level * level_shift);
  place = std::min(place, (passed_ >> (level * level_shift)) + slots - 1);
  one.slot = level * slots + static_cast<std::uint32_t>(place & (slots - 1));
  list& to = lists_[one.slot];
  one.previous = to.last;
  one.next = nullptr;
  (to.last == nullptr ? to.first : to.last->next) = &one;
  to.last = &one;
  mark(one.slot, true);
}

void timer_wheel::set(timer& one, std::int64_t due_ns) noexcept {
  RAMIE_CHECK(!one.is_set());
  one.due_ns = due_ns;
  insert(one);
  ++size_;
}

void timer_wheel::unset(timer& one) noexcept {
  if (!one.is_set()) return;
  list& in = lists_[one.slot];
  (one.previous == nullptr ? in.first : one.previous->next) = one.next;
  (one.next == nullptr ? in.last : one.next->previous) = one.previous;
  if (in.first == nullptr) mark(one.slot, false);
  one.slot = UINT32_MAX;
  --size_;
}

void timer_wheel::pour_out(std::uint32_t slot) noexcept {
  timer* first = std::exchange(lists_[slot], list{}).first;
  mark(slot, false);
  while (first != nullptr) insert(*std::exchange(first, first->next));
}

// The first used slot in [from, to) of a level, in its units of time; `to` when none is.
std::int64_t timer_wheel::first_used(unsigned level, std::int64_t from, std::int64_t to) const noexcept {
  while (from < to) {
    const std::uint32_t slot = level * slots + static_cast<std::uint32_t>(from & (slots - 1));
    const std::uint64_t rest = used_[slot / 64] >> (slot % 64);
    if (rest != 0) return std::min<std::int64_t>(to, from + std::countr_zero(rest));
    from += 64 - slot % 64;
  }
  return to;
}

std::size_t timer_wheel::fire_due(std::uint32_t slot, std::int64_t now_ns) noexcept {
  std::size_t fired = 0;
  // Sorted once; a fired one may set another into this slot, which then lies at its end.
  list& here = lists_[slot];
  if (here.first == nullptr) return 0;
  if (here.first != here.last) here.first = sorted(here.first);
  timer* before = nullptr;
  for (timer* one = here.first; one != nullptr; one = one->next) {
    one->previous = before;
    before = one;
  }
  here.last = before;
  while (here.first != nullptr && here.first->due_ns <= now_ns) {
    timer* one = here.first;
    unset(*one);
    ++fired;
    one->fire(*one);
  }
  return fired;
}

std::size_t timer_wheel::advance(std::int64_t now_ns) noexcept {
  const std::int64_t now = now_ns >> slot_shift;
  std::size_t fired = 0;
  if (size_ == 0) {
    passed_ = std::max(passed_, now);
    return 0;
  }
  for (;;) {
    fired += fire_due(static_cast<std::uint32_t>(passed_ & (slots - 1)), now_ns);
    if (passed_ >= now) return fired;
    // On to the next slot of this turn that holds something, or to the turn's end, or, when all is empty until later
    // than that, to where something is.
    const std::int64_t turn_end = (passed_ | (slots - 1)) + 1;
    const std::int64_t limit = std::min(now, turn_end);
    std::int64_t to = first_used(0, passed_ + 1, limit);
    if (to == turn_end && turn_end < now) {
      const std::int64_t next = next_ns();
      to = std::max(turn_end, std::min(now, next == INT64_MAX ? now : next >> slot_shift));
    }
    passed_ = to;
    if ((passed_ & (slots - 1)) != 0) continue;
    for (unsigned level = 1; level < levels; ++level) {
      const std::int64_t place = passed_ >> (level * level_shift);
      pour_out(level * slots + static_cast<std::uint32_t>(place & (slots - 1)));
      if ((place & (slots - 1)) != 0) break;
    }
  }
}

std::int64_t timer_wheel::next_ns() const noexcept {
  if (size_ == 0) return INT64_MAX;
  std::int64_t next = INT64_MAX;
  for (unsigned level = 0; level < levels; ++level) {
    const unsigned shift = level * level_shift;
    // Beyond the first level, the slot that time is in was poured out when time came into it.
    const std::int64_t from = (passed_ >> shift) + (level == 0 ? 0 : 1);
    const std::int64_t first = first_used(level, from, from + slots - (level == 0 ? 0 : 1));
    const auto slot = level * slots + static_cast<std::uint32_t>(first & (slots - 1));
    if (lists_[slot].first == nullptr) continue;
    if (level != 0) {
      next = std::min(next, first << (shift + slot_shift));
      continue;
    }
    for (const timer* one = lists_[slot].first; one != nullptr; one = one->next) next = std::min(next, one->due_ns);
  }
  return next;
}

}  // namespace ramie::inline v0::sched
