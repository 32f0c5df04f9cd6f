#include "sched/wheel.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace ramie::inline v0::sched {
namespace {

// Timers whose memory is asked for before the first of them fires.
constexpr int fetched_at_once = 16;

timer_entry* entry_at(timer_link* one) noexcept { return static_cast<timer_entry*>(one); }

void unlink(timer_link& one) noexcept {
  one.previous->next = one.next;
  one.next->previous = one.previous;
}
void link_between(timer_link& one, timer_link& before, timer_link& after) noexcept {
  one.previous = &before;
  one.next = &after;
  before.next = &one;
  after.previous = &one;
}

// Merges two lists that are sorted by time; equal ones of `a` come first.
timer_link* merge(timer_link* a, timer_link* b) noexcept {
  timer_link head;
  timer_link* last = &head;
  while (a != nullptr && b != nullptr) {
    timer_link*& earlier = entry_at(b)->due_ns < entry_at(a)->due_ns ? b : a;
    last->next = earlier;
    last = earlier;
    earlier = earlier->next;
  }
  last->next = a != nullptr ? a : b;
  return head.next;
}

// A stable merge sort, by `next` only; most lists are sorted already.
timer_link* sorted(timer_link* first) noexcept {
  timer_link* runs[64] = {};
  unsigned levels = 0;
  while (first != nullptr) {
    timer_link* run = first;
    timer_link* end = first;
    while (end->next != nullptr && entry_at(end->next)->due_ns >= entry_at(end)->due_ns) end = end->next;
    first = std::exchange(end->next, nullptr);
    unsigned level = 0;
    for (; runs[level] != nullptr; ++level) run = merge(std::exchange(runs[level], nullptr), run);
    runs[level] = run;
    levels = std::max(levels, level + 1);
  }
  timer_link* all = nullptr;
  for (unsigned level = 0; level < levels; ++level) {
    timer_link* run = runs[level];
    all = all == nullptr ? run : run == nullptr ? all : merge(run, all);
  }
  return all;
}

// Of the next ones that are due, the memory is asked for; firing one reads what lies around it as well. How many.
int fetch_due(const timer_link& head, std::int64_t now_ns) noexcept {
  int count = 0;
  for (timer_link* one = head.next; one != &head && count < fetched_at_once; one = one->next, ++count) {
    if (entry_at(one)->due_ns > now_ns) break;
    const char* at = reinterpret_cast<const char*>(entry_at(one)->of);
    __builtin_prefetch(at - 64);
    __builtin_prefetch(at);
  }
  return count;
}

}  // namespace

timer_wheel::timer_wheel(std::int64_t now_ns) noexcept : passed_(now_ns >> slot_shift) {
  for (timer_link& head : heads_) head = {&head, &head};
}

void timer_wheel::mark(std::uint32_t slot, bool used) noexcept {
  const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
  used_[slot / 64] = used ? used_[slot / 64] | bit : used_[slot / 64] & ~bit;
}

std::uint32_t timer_wheel::slot_of(const timer_link& head) const noexcept {
  return static_cast<std::uint32_t>(&head - heads_.data());
}

// Where it is to lie, which is marked as used.
timer_link& timer_wheel::head_for(std::int64_t due_ns) noexcept {
  // What is over lies in the slot that time is in; what is beyond the last level, in its farthest slot.
  const std::int64_t at = std::max(due_ns >> slot_shift, passed_);
  unsigned level = 0;
  while (level + 1 < levels && (at >> (level * level_shift)) - (passed_ >> (level * level_shift)) >= slots) ++level;
  std::int64_t place = at >> (level * level_shift);
  place = std::min(place, (passed_ >> (level * level_shift)) + slots - 1);
  const std::uint32_t slot = level * slots + static_cast<std::uint32_t>(place & (slots - 1));
  mark(slot, true);
  return heads_[slot];
}

void timer_wheel::set(timer& one, std::int64_t due_ns) noexcept {
  RAMIE_CHECK(!one.is_set());
  timer_entry* entry = entries_.take();
  if (entry == nullptr) [[unlikely]]
    entry = &one.own;
  one.entry = entry;
  one.due_ns = due_ns;
  entry->of = &one;
  entry->due_ns = due_ns;
  timer_link& head = head_for(due_ns);
  if (&head == is_sorted_ && head.previous != &head && entry_at(head.previous)->due_ns > due_ns) is_sorted_ = nullptr;
  link_between(*entry, *head.previous, head);
  ++size_;
}

void timer_wheel::unset(timer& one) noexcept {
  if (!one.is_set()) return;
  timer_entry* entry = std::exchange(one.entry, nullptr);
  unlink(*entry);
  // The only one in its slot: what lay on both sides of it was the head.
  if (entry->next == entry->previous) mark(slot_of(*entry->next), false);
  if (entry != &one.own) [[likely]]
    entries_.give_back(*entry);
  --size_;
}

// From the last to the first, each before what lies there: that was set into a slot nearer to its time, so later.
void timer_wheel::pour_out(std::uint32_t slot) noexcept {
  timer_link& head = heads_[slot];
  timer_link* one = head.previous;
  head = {&head, &head};
  mark(slot, false);
  while (one != &head) {
    timer_link* before = one->previous;
    timer_link& to = head_for(entry_at(one)->due_ns);
    link_between(*one, to, *to.next);
    one = before;
  }
  is_sorted_ = nullptr;
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

void timer_wheel::sort(timer_link& head) noexcept {
  if (std::exchange(is_sorted_, &head) == &head || head.next == head.previous) return;
  head.previous->next = nullptr;
  timer_link* before = &head;
  for (timer_link* one = sorted(head.next); one != nullptr; one = one->next) {
    before->next = one;
    one->previous = before;
    before = one;
  }
  before->next = &head;
  head.previous = before;
}

std::size_t timer_wheel::fire_due(std::uint32_t slot, std::int64_t now_ns) noexcept {
  timer_link& head = heads_[slot];
  std::size_t fired = 0;
  while (!is_empty(slot)) {
    sort(head);
    int left = fetch_due(head, now_ns);
    if (left == 0) break;
    // One that fires may set and unset others, so what comes first is looked at each time.
    for (; left != 0 && !is_empty(slot) && is_sorted_ == &head; --left) {
      timer_entry* entry = entry_at(head.next);
      if (entry->due_ns > now_ns) break;
      timer& one = *entry->of;
      unset(one);
      ++fired;
      one.fire(one);
    }
  }
  return fired;
}

std::size_t timer_wheel::advance(std::int64_t now_ns) noexcept {
  const std::int64_t now = now_ns >> slot_shift;
  std::size_t fired = 0;
  if (size_ == 0) {
    entries_.shrink();
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
    if (is_empty(slot)) continue;
    if (level != 0) {
      next = std::min(next, first << (shift + slot_shift));
      continue;
    }
    const timer_link& head = heads_[slot];
    for (timer_link* one = head.next; one != &head; one = one->next) {
      next = std::min(next, entry_at(one)->due_ns);
      if (&head == is_sorted_) break;
    }
  }
  return next;
}

}  // namespace ramie::inline v0::sched
