#include "fiber/life.hpp"

#include "base/check.hpp"
#include "context/stack_life.hpp"
#include "context/start.hpp"
#include "fiber/idle_frames.hpp"
#include "fiber/spawn_sites.hpp"
#include "fiber/stack_use.hpp"
#include "fiber/stack_watch.hpp"
#include "stack/pool.hpp"

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ramie::inline v0::control {
namespace {

void destroy_closure(control_block* fiber) noexcept {
  cold_block& about = cold(fiber);
  if (std::exchange(about.has_function, false)) about.operations->destroy(about.closure);
}

// The fiber ends: its function goes, unless it is to run again.
void end_closure(control_block* fiber) noexcept {
  if (!cold(fiber).operations->runs_again) destroy_closure(fiber);
}

struct sized_request {
  std::size_t stack_bytes;
  stack::request resolved;
};
[[gnu::tls_model("initial-exec")]] constinit thread_local sized_request last_request{0, {}};

void run_closure(cold_block& about) { about.operations->run(about.closure); }

}  // namespace

// The first C++ frame of every fiber, under the frame that ends backtraces. unwind_self() stops here by name.
// A forced unwinding has no object, so the reference that catches it is null, which UBSan must not mind.
[[gnu::noinline]] __attribute__((no_sanitize("null"))) void fiber_main(void* argument, std::uintptr_t) {
  context::crossing::arrive_first();
  auto* self = static_cast<control_block*>(argument);
  std::exception_ptr escaped;
  try {
    run_closure(cold(self));
  } catch (abi::__forced_unwind&) {
    // pthread_exit() or a cancellation of this thread: the chain below unwinds too, then the thread exits from its own
    // stack. Leaving inside the handler is deliberate: ending it would be "exception not rethrown".
    end_closure(self);
    end_self(self, nullptr, pending::thread_exit);
  } catch (...) {
    escaped = std::current_exception();
  }
  end_closure(self);
  end_self(self, std::move(escaped), pending::nothing);
}

void finish_killed(control_block* self) noexcept {
  end_closure(self);
  end_self(self, nullptr, pending::nothing);
}

new_block allocate_block(const fiber_options& options, const call_site& site, const closure_operations* operations) {
  // A thread mostly asks for the size that it asked for last.
  if (options.stack_bytes != last_request.stack_bytes || last_request.resolved.class_index == 0) [[unlikely]] {
    last_request = {options.stack_bytes, stack::make_request(options.stack_bytes, ramie::guard::automatic)};
  }
  stack::request wanted = last_request.resolved;
  wanted.guard = options.guard;
  thread_words& thread = this_thread();
  control_block* block = take_block();
  cold_block& about = cold(block);
  about.name = options.name.text();
  about.file = site.file;
  about.line = site.line;
  about.stack = wanted;
  about.operations = operations;
  about.has_function = true;
  about.depth = not_measured;
  if (cold(thread.current).locals != nullptr) [[unlikely]] {
    try {
      about.locals = copy_locals();
    } catch (...) {
      discard_block(block);
      throw;
    }
  }
  block->word = context::created;
  __atomic_store_n(&block->id, next_id(thread), __ATOMIC_RELEASE);  // pairs with for_each_block
  return {block, about.closure};
}

void discard_block(control_block* block) noexcept {
  cold(block).has_function = false;
  drop_locals(block);
  return_block(block);
}

std::uintptr_t start(thread_words& thread, control_block* fiber) {
  cold_block& about = cold(fiber);
  stack::slot* slot = nullptr;
  try {
    slot = stack::acquire(about.stack, fiber);
  } catch (const stack_error& refused) {
    throw with_spawn_sites(refused);
  }
  about.slot = slot;
  // Other threads read these two when one ends, or when a stack is refused.
  __atomic_store_n(&fiber->home, &thread, __ATOMIC_RELAXED);
  fiber->stack_low = slot->low;
  __atomic_store_n(&fiber->stack_high, slot->high(), __ATOMIC_RELAXED);
  fiber->checker = context::stack_begins(slot->low, slot->high());
  if (measuring_stacks.load(std::memory_order_relaxed)) [[unlikely]]
    begin_measuring(about);
  fiber->errno_value = 0;
  fiber->resumer_sp = 0;
  count_started(thread);
  note_start(thread, fiber);
  return context::prepare(slot->low, slot->first_frame(), &fiber_main, fiber);
}

void reap(thread_words& thread, control_block* fiber) noexcept {
  cold_block& about = cold(fiber);
  note_end(thread, fiber);
  if (about.depth != not_measured) [[unlikely]]
    end_measuring(about);
  context::stack_ends(std::exchange(fiber->checker, nullptr), fiber->stack_low, fiber->stack_high);
  stack::release(std::exchange(about.slot, nullptr));
  fiber->stack_low = 0;
  __atomic_store_n(&fiber->stack_high, 0, __ATOMIC_RELAXED);
  if (about.locals != nullptr) [[unlikely]]
    drop_locals(fiber);
  count_ended(thread);
}

void release_ended(control_block* fiber) noexcept {
  cold_block& about = cold(fiber);
  if (about.has_function) destroy_closure(fiber);  // it was to run again
  if (about.error != nullptr) about.error = nullptr;
  about.waiting = pending::nothing;
  about.held_resumer_sp = 0;
  if (about.locals != nullptr) [[unlikely]]
    drop_locals(fiber);
  return_block(fiber);
}

void destroy(control_block* fiber) noexcept {
  thread_words* home = fiber->home;
  if (home == nullptr) {  // never started, or killed before that
    release_ended(fiber);
  } else if (home == context::this_thread_words()) [[likely]] {
    destroy_at_home(fiber);
  } else {
    send_home(fiber);
  }
}

void destroy_at_home(control_block* fiber) noexcept {
  if (fiber->word != context::ended) [[unlikely]] {
    switch (state_of(fiber)) {
      case fiber_state::left_behind:
        return;  // its memory is the parent's affair
      case fiber_state::transferred:
        if (!has_resumer(fiber)) break;
        [[fallthrough]];
      case fiber_state::running:
      case fiber_state::resuming: {
        if (exiting_in_a_fiber) return;
        std::fprintf(stderr,
                     "ramie: the handle of %s dies while it is %s; it dies in %s.\n"
                     "ramie: a fiber must suspend or end before its handle goes.\n",
                     fiber_title(fiber).text, name_of(state_of(fiber)), fiber_title(this_thread().current).text);
        std::abort();
      }
      default:
        break;
    }
    unwind_fully(fiber);
  }
  release_ended(fiber);
}

void start_over(control_block* fiber) noexcept {
  RAMIE_CHECK(fiber->word == context::ended && cold(fiber).has_function);
  cold(fiber).waiting = pending::nothing;
  cold(fiber).held_resumer_sp = 0;
  fiber->resumer_sp = 0;
  fiber->flags = 0;
  __atomic_store_n(&fiber->home, nullptr, __ATOMIC_RELAXED);
  fiber->word = context::created;
}

void close(control_block* fiber) {
  if (state_of(fiber) == fiber_state::suspended && fiber->home == context::this_thread_words()) {
    unwind_fully(fiber);
  } else {
    kill(fiber);
  }
}

void unwind_fully(control_block* fiber) noexcept {
  if (!will_end_by_itself(fiber) && frames_are_idle(fiber)) {
    fiber->word = context::ended;
    end_closure(fiber);
    reap(this_thread(), fiber);
    return;
  }
  constexpr int most_resumes = 1000;
  for (int i = 0; fiber->word != context::ended; ++i) {
    if (i == most_resumes) {
      std::fprintf(stderr,
                   "ramie: %s does not end: it was killed and has suspended %d times since, in a destructor or in a\n"
                   "ramie: catch block that swallows the unwinding.\n",
                   fiber_title(fiber).text, most_resumes);
      std::abort();
    }
    try {
      continue_unwinding(fiber);
    } catch (const std::exception& escaped) {
      std::fprintf(stderr, "ramie: while %s was unwound, this escaped from it: %s\n", fiber_title(fiber).text,
                   escaped.what());
    } catch (...) {
      std::fprintf(stderr, "ramie: while %s was unwound, an exception escaped from it\n", fiber_title(fiber).text);
    }
  }
}

fiber_title::fiber_title(const control_block* fiber) noexcept {
  const cold_block& about = cold(fiber);
  if ((fiber->flags & is_root) != 0) {
    std::snprintf(text, sizeof text, "the thread's own stack (#%llu)", static_cast<unsigned long long>(fiber->id));
    return;
  }
  char place[96];
  describe_site(about, place, sizeof place);
  std::snprintf(text, sizeof text, "fiber '%s' (#%llu, made at %s)", about.name,
                static_cast<unsigned long long>(fiber->id), place);
}

}  // namespace ramie::inline v0::control
