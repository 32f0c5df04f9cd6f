// The order of things in a select(), and why it is safe: see park/arm.hpp.
#include <ramie/select.hpp>

#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>

namespace ramie::inline v0::sync {
namespace {

using parking::arm;
using parking::selection;
using parking::waiter;
using arms_in_turn = std::span<arm* const>;

// The arm that is tried first differs from call to call.
[[gnu::tls_model("initial-exec")]] constinit thread_local std::size_t turn = 0;

constexpr parking::wait_kind select_wait = {
    "select", [](waiter& one) noexcept { return static_cast<selection*>(one.object)->claim(selection::called_off); }};

constexpr std::size_t none = SIZE_MAX;

// Tries all, beginning with `first`: which one has happened, or none.
std::size_t try_all(arms_in_turn arms, std::size_t first) {
  for (std::size_t i = 0, which = first; i < arms.size(); ++i, which = which + 1 == arms.size() ? 0 : which + 1) {
    arms[which]->state = arms[which]->try_now();
    if (arms[which]->state == arm_state::happened) return which;
  }
  return none;
}

void leave_all(arms_in_turn arms) noexcept {
  for (arm* one : arms) {
    if (std::exchange(one->stands, false)) one->withdraw();
  }
}

// Into all lists. False: something may be possible now.
bool enlist_all(arms_in_turn arms, selection& choice) noexcept {
  for (std::uint32_t which = 0; which < arms.size(); ++which) {
    if (choice.winner.load(std::memory_order_relaxed) != selection::open) return true;
    arm& one = *arms[which];
    if (one.limit_ns != INT64_MAX || one.state == arm_state::never) continue;
    one.me.choice = &choice;
    one.me.arm = which;
    one.stands = one.enlist();
    if (!one.stands) return false;
  }
  return true;
}

// Stands in all lists and waits. Which arm was claimed; selection::open: try again; called_off: the time is over.
std::uint32_t wait_in_all(arms_in_turn arms, std::int64_t due_ns) {
  selection choice;
  waiter me;
  choice.sleeper = &me;
  me.object = &choice;
  struct standing {
    arms_in_turn arms;
    ~standing() { leave_all(arms); }
  };
  {
    const standing until_woken{arms};
    if (!enlist_all(arms, choice)) {
      leave_all(arms);
      // Nobody can claim it any more. Who has done so by now is about to wake us.
      if (choice.winner.load(std::memory_order_acquire) == selection::open) return selection::open;
      parking::park_shielded(me, select_wait);
    } else if (due_ns == INT64_MAX) {
      parking::park(me, select_wait);
    } else {
      (void)parking::park_for(me, select_wait, std::max<std::int64_t>(0, due_ns - parking::now_ns()));
    }
  }
  return choice.winner.load(std::memory_order_acquire);
}

// The arm that ends the wait by time: the shortest.
std::size_t shortest_limit(arms_in_turn arms) noexcept {
  std::size_t found = none;
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (arms[i]->limit_ns != INT64_MAX && (found == none || arms[i]->limit_ns < arms[found]->limit_ns)) found = i;
  }
  return found;
}

}  // namespace

std::size_t select_one(arm* const* first_arm, std::size_t count) {
  const arms_in_turn arms(first_arm, count);
  const std::size_t limit = shortest_limit(arms);
  std::int64_t due_ns = INT64_MAX;
  for (;;) {
    const std::size_t which = try_all(arms, turn++ % count);
    if (which != none) {
      parking::charge(1);
      return which;
    }
    if (limit != none) {
      if (arms[limit]->limit_ns <= 0) {
        parking::charge(1);
        return limit;
      }
      if (due_ns == INT64_MAX) due_ns = parking::due_after(arms[limit]->limit_ns);
    } else if (std::all_of(arms.begin(), arms.end(), [](const arm* one) { return one->state == arm_state::never; })) {
      throw std::logic_error("select: every channel that it waits for is closed, and no body takes a std::optional");
    }
    const std::uint32_t claimed = wait_in_all(arms, due_ns);
    if (claimed == selection::called_off) return limit;
    if (claimed != selection::open && arms[claimed]->has_happened()) return claimed;
  }
}

}  // namespace ramie::inline v0::sync
