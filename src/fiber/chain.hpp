// A chain of resumes that can be left in the middle and continued later: what a scheduler needs of fibers.
//
// A task runs on a fiber of its own, the *base*; what it resumes, and what that resumes, stands on it like plates. When
// the topmost (the *leaf*) has to wait, the whole chain is left at once: control goes back to the loop that entered it,
// and comes back to the leaf. The words of its fibers stay `running`, so to everybody else they are already resumed.
//
// All of it on one thread, the chain's home. Cost: enter and leave together are one resume and suspend.
#pragma once

#include "fiber/life.hpp"

namespace ramie::inline v0::control {

struct chain {
  control_block* leaf = nullptr;
  std::uintptr_t sp = 0;          // where the leaf goes on; tag_baggage: `left` and the leaf's cold block hold more
  control_block* left = nullptr;  // thread_words::left, while there is baggage
  int errno_value = 0;
};

// How a loop learns why control came back to it.
enum class departure : std::uint8_t {
  parked,      // it left its chain; enter() continues it
  ended,       // the base ended: its stack has gone back
  thread_exit  // the base ended, and the thread is to exit
};

// A base whose stack is taken and whose function `body(argument)` runs at the first enter(). Throws stack_error. The
// body must end by end_base().
chain make_base(const fiber_options& options, const call_site& site, void (*body)(void*), void* argument);

// The running base takes up another task: a new identity, what it had inherited is dropped.
void rename_base(control_block* base, label name, const call_site& site, local_values* locals) noexcept;

// A copy of somebody's locals (see copy_locals) that no fiber took over.
void drop(local_values* locals) noexcept;

// The body is about to return, or is being unwound: control will go to the loop.
void prepare_end(control_block* base, const control_block& loop) noexcept;

// Exceptions that were on their way in the leaf when it was left.
unsigned uncaught_in(const chain& of) noexcept;

void pack_chain(thread_words& thread, chain& leaving) noexcept;
std::uintptr_t unpack_chain(thread_words& thread, chain& coming) noexcept;

// What enter() returns: how the chain was left, and where.
struct departed {
  departure how;
  int errno_value;
  control_block* leaf;
  std::uintptr_t sp;
};
departed left_unusually(departed left, std::uintptr_t message) noexcept;

// Continues the chain on this thread and returns when it is left again. `loop` is the caller's: it is where leave()
// comes back to. No exception may be in flight in the caller.
[[gnu::always_inline]] inline departed enter(control_block& loop, chain& coming) noexcept {
  thread_words* thread = context::this_thread_words();
  std::uintptr_t sp = coming.sp;
  if ((sp & context::tag_mask) != 0) [[unlikely]]
    sp = unpack_chain(*thread, coming);
  control_block* leaf = coming.leaf;
  *thread->errno_pointer = coming.errno_value;
  control_block* self = thread->current;
  thread->current = leaf;
  context::crossing crossing;
  crossing.depart(leaf);
  const context::arrival arrival = context::switch_and_wait(&loop, sp, context::plain, self);
  crossing.arrive();
  thread = context::this_thread_words();
  thread->current = self;
  const departed left = {departure::parked, *thread->errno_pointer, arrival.who, arrival.sp};
  if (arrival.message != context::plain) [[unlikely]]
    return left_unusually(left, arrival.message);
  return left;
}

// Leaves the running chain for the loop; returns when it is entered again.
[[gnu::always_inline]] inline void leave(const control_block& loop, chain& leaving) noexcept {
  thread_words* thread = context::this_thread_words();
  std::uintptr_t message = context::plain;
  if (exceptions_in_flight(thread) || thread->left != nullptr) [[unlikely]] {
    pack_chain(*thread, leaving);
    message = context::attend;
  }
  context::crossing crossing;
  crossing.depart(context::resumer_at(loop.resumer_sp));
  context::switch_back(loop.resumer_sp, message, thread->current);
  crossing.arrive();
}

// Whether control can pass from the running chain to another one of the same loop, which was entered before, without a
// stop in the loop: neither carries what only the loop can put away.
[[gnu::always_inline]] inline bool can_pass() noexcept {
  thread_words* thread = context::this_thread_words();
  return !exceptions_in_flight(thread) && thread->left == nullptr;
}
[[gnu::always_inline]] inline bool can_pass_to(const chain& coming) noexcept {
  return (coming.sp & context::tag_mask) == 0;
}

// Does it; returns when the running chain is continued. The loop is where it was: who leaves for it comes back to it.
[[gnu::always_inline]] inline void pass(chain& leaving, const chain& coming) noexcept {
  thread_words* thread = context::this_thread_words();
  leaving.leaf = thread->current;
  leaving.errno_value = *thread->errno_pointer;
  *thread->errno_pointer = coming.errno_value;
  thread->current = coming.leaf;
  context::crossing crossing;
  crossing.depart(coming.leaf);
  // Stores where this one goes on into leaving.sp, as a fiber does into its block's first word.
  context::switch_across(coming.sp, context::plain, reinterpret_cast<control_block*>(&leaving.sp), 0);
  crossing.arrive();
}

}  // namespace ramie::inline v0::control
