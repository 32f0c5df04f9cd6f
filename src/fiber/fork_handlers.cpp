#include "fiber/fork_handlers.hpp"

#include "fiber/stack_use.hpp"
#include "fiber/thread.hpp"

#include <pthread.h>

#include <mutex>

namespace ramie::inline v0::control {

void register_fork_handlers() {
  static std::once_flag once;
  std::call_once(once, [] {
    // The stack room registers its own when its ladder is first asked for. No code takes a lock of one room while it
    // holds one of the other, so the order of the two does not matter.
    pthread_atfork(&before_fork, &after_fork_parent, &after_fork_child);
  });
}

void before_fork() noexcept {
  lock_threads();
  lock_slab();
  lock_stack_use();
}

void after_fork_parent() noexcept {
  unlock_stack_use();
  unlock_slab();
  unlock_threads();
}

// The child has one thread, the caller's, and every fiber's stack as a private copy: its own fibers go on; those of the
// other threads stay suspended for ever, and their handles answer other_thread.
void after_fork_child() noexcept {
  unlock_stack_use();
  unlock_slab();
  forget_other_threads();
  unlock_threads();
}

}  // namespace ramie::inline v0::control
