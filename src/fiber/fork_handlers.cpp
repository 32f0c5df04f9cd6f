#include "fiber/fork_handlers.hpp"

#include "fiber/thread.hpp"
#include "stack/pool.hpp"

#include <pthread.h>

#include <mutex>

namespace ramie::inline v0::control {

void register_fork_handlers() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Handlers run "before" newest first and "after" oldest first: threads' mail, then blocks, then stacks.
    pthread_atfork(&before_fork, &after_fork_parent, &after_fork_child);
  });
}

void before_fork() noexcept {
  lock_threads();
  lock_slab();
  stack::before_fork();
}

void after_fork_parent() noexcept {
  stack::after_fork_parent();
  unlock_slab();
  unlock_threads();
}

// The child has one thread, the caller's, and every fiber's stack as a private copy: its own fibers go on; those of the
// other threads stay suspended for ever, and their handles answer other_thread.
void after_fork_child() noexcept {
  stack::after_fork_child();
  unlock_slab();
  forget_other_threads();
  unlock_threads();
}

}  // namespace ramie::inline v0::control
