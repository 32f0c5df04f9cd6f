#include "fiber/stack_watch.hpp"

#include "base/check.hpp"
#include "context/start.hpp"
#include "fiber/chain.hpp"
#include "fiber/life.hpp"

#include <ramie/parked_stacks.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace ramie::inline v0::control {
namespace {

std::uintptr_t sp_of(const control_block* fiber) noexcept { return fiber->word & ~std::uintptr_t{context::tag_mask}; }
bool is_parked(const control_block* fiber) noexcept { return (fiber->word & 1) == 0 && fiber->word != context::lost; }

// Above the colour, where a fiber's first frame begins; a thread's own stack ends where it was mapped to.
std::uintptr_t base_of(const control_block* fiber) noexcept {
  const stack::slot* slot = cold(fiber).slot;
  return slot != nullptr ? slot->first_frame() : fiber->stack_high;
}

// The lowest byte that counts of a stack that waits at `sp`: the portable twin keeps its registers among the locals.
std::uintptr_t alive_from(std::uintptr_t sp) noexcept { return std::min(sp, context::frame_at(sp).sp); }

void tell_in_use(stack_listener& listener, const control_block* fiber, std::uintptr_t sp) {
  listener.stack_in_use(reinterpret_cast<const void*>(sp), reinterpret_cast<const void*>(base_of(fiber)));
}

// The fibers, and at last the root, that wait for one that they have resumed.
void tell_resumers(stack_listener& listener, const control_block* fiber) {
  for (;;) {
    const std::uintptr_t held = cold(fiber).held_resumer_sp;
    const std::uintptr_t sp = held != 0 ? held : fiber->resumer_sp;
    if (sp == 0) return;
    fiber = context::resumer_at(sp);
    tell_in_use(listener, fiber, alive_from(sp));
  }
}

// Its own frame lies below its caller's, which has put all registers on the stack.
[[gnu::noinline]] void tell_running(const thread_words& thread, stack_listener& listener) {
  tell_in_use(listener, thread.current, reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  tell_resumers(listener, thread.current);
  if (const control_block* left = thread.left) {
    if ((left->flags & is_root) != 0) {
      tell_in_use(listener, left, alive_from(sp_of(left)));
    } else {
      tell_resumers(listener, left);
    }
  }
}

void tell_gone(stack_listener& listener, std::uint32_t place) { listener.stack_at(place, 0, nullptr, nullptr); }

std::uint32_t place_of(stack_watch& watch, control_block* fiber) {
  std::uint32_t place = (fiber->flags >> place_shift);
  if (place != 0) return place - 1;
  if (watch.free_places.empty()) {
    place = watch.places++;
  } else {
    place = watch.free_places.back();
    watch.free_places.pop_back();
  }
  fiber->flags |= (place + 1) << place_shift;
  return place;
}

void tell_alive(stack_watch& watch, stack_listener& listener, control_block* fiber, std::uintptr_t sp) {
  if (++watch.generation == 0) ++watch.generation;
  listener.stack_at(place_of(watch, fiber), watch.generation, reinterpret_cast<const void*>(alive_from(sp)),
                    reinterpret_cast<const void*>(base_of(fiber)));
}

void tell_parked(stack_watch& watch, stack_listener& listener, control_block* fiber) {
  tell_alive(watch, listener, fiber, sp_of(fiber));
  // Tagged, the fiber's next continuation takes a slow path, which notes it. Its cold block holds no exceptions or the
  // right ones, so that unpacking them is right as well.
  fiber->flags |= was_looked_at;
  fiber->word |= context::tag_baggage;
}

// The leaf of a task that waits is parked although its word says that it runs; those below wait for it and are read
// each time.
void tell_chain(stack_watch& watch, stack_listener& listener, chain& parked) {
  tell_resumers(listener, parked.leaf);
  if ((parked.leaf->flags & was_looked_at) != 0) return;
  tell_alive(watch, listener, parked.leaf, parked.sp & ~std::uintptr_t{context::tag_mask});
  parked.leaf->flags |= was_looked_at;
  parked.sp |= context::tag_baggage;
}

void note_all(thread_words& thread, stack_watch& watch) {
  struct search {
    thread_words* home;
    stack_watch* watch;
  } state{&thread, &watch};
  for_each_block(
      [](control_block* block, void* argument) {
        auto& here = *static_cast<search*>(argument);
        if (__atomic_load_n(&block->home, __ATOMIC_RELAXED) != here.home || (block->flags & is_root) != 0) return;
        block->flags &= ~was_looked_at;
        here.watch->ran.push_back(block);
      },
      &state);
}

}  // namespace

void note_run_slowly(thread_words& thread, control_block* fiber) noexcept {
  fiber->flags &= ~was_looked_at;
  stack_watch* watch = watch_of(thread);
  if (watch == nullptr) return;
  try {
    watch->ran.push_back(fiber);
  } catch (const std::bad_alloc&) {
    watch->lost_track = true;
  }
}

void note_end_slowly(thread_words& thread, control_block* fiber) noexcept {
  const std::uint32_t place = (fiber->flags >> place_shift) - 1;
  fiber->flags &= (1U << place_shift) - 1;
  if (stack_watch* watch = watch_of(thread)) watch->ended.push_back(place);  // room was made with the place
}

}  // namespace ramie::inline v0::control

namespace ramie {

using control::control_block;

struct parked_stacks::state {
  control::stack_watch watch;
  context::thread_words* thread;
};

parked_stacks::parked_stacks() : state_(std::make_unique<state>()) {
  context::thread_words& thread = control::this_thread();
  if (thread.watch != nullptr) throw std::logic_error("the stacks of this thread are watched already");
  state_->thread = &thread;
  state_->watch.lost_track = true;
  thread.watch = &state_->watch;
}

parked_stacks::~parked_stacks() {
  RAMIE_CHECK(context::this_thread_words() == state_->thread);
  state_->thread->watch = nullptr;
  control::for_each_block(
      [](control_block* block, void* argument) {
        if (__atomic_load_n(&block->home, __ATOMIC_RELAXED) != argument) return;
        block->flags &= (1U << control::place_shift) - 1;
        block->flags &= ~control::was_looked_at;
      },
      state_->thread);
}

[[gnu::noinline]] void parked_stacks::look(stack_listener& listener) {
  __builtin_unwind_init();  // registers that callers keep for themselves go to the stack
  RAMIE_CHECK(context::this_thread_words() == state_->thread);
  context::thread_words& thread = *state_->thread;
  control::stack_watch& watch = state_->watch;
  if (watch.lost_track) {
    watch.ran.clear();
    control::note_all(thread, watch);
    watch.lost_track = false;
  }
  // Until all was told, a throw leaves the lists as they are: to tell twice is harmless.
  for (std::uint32_t place : watch.ended) control::tell_gone(listener, place);
  watch.free_places.insert(watch.free_places.end(), watch.ended.begin(), watch.ended.end());
  watch.ended.clear();
  watch.ended.reserve(watch.places + watch.ran.size());
  if (const context::chain_keeper* keeper = thread.host; keeper != nullptr && keeper->each_chain != nullptr) {
    struct told {
      control::stack_watch& watch;
      stack_listener& listener;
    } to{watch, listener};
    keeper->each_chain(
        [](control::chain& parked, void* argument) {
          const auto& all = *static_cast<told*>(argument);
          control::tell_chain(all.watch, all.listener, parked);
        },
        &to);
  }
  std::size_t kept = 0;
  for (std::size_t at = 0; at < watch.ran.size(); ++at) {
    control_block* fiber = watch.ran[at];
    if (at + 8 < watch.ran.size()) __builtin_prefetch(watch.ran[at + 8], 1);
    if (fiber->home != &thread || (fiber->flags & control::was_looked_at) != 0) continue;
    if (control::is_parked(fiber)) {
      control::tell_parked(watch, listener, fiber);
    } else if (fiber->word == context::running) {
      // Its stack changes; it stays in the list.
      if ((fiber->flags >> control::place_shift) != 0) control::tell_gone(listener, control::place_of(watch, fiber));
      watch.ran[kept++] = fiber;
    }
  }
  watch.ran.resize(kept);
  control::tell_running(thread, listener);
}

}  // namespace ramie
