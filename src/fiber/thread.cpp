#include "fiber/thread.hpp"

#include "base/check.hpp"
#include "base/lasting.hpp"
#include "context/shadow_stack.hpp"
#include "fiber/debugger_layout.hpp"
#include "fiber/idle_frames.hpp"
#include "fiber/life.hpp"
#include "fiber/overflow.hpp"
#include "fiber/shadow_stack.hpp"
#include "os/thread_stack.hpp"
#include "stack/pool.hpp"

#include <cxxabi.h>
#include <errno.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <vector>

namespace ramie::inline v0::control {
namespace {

std::atomic<std::uint64_t> ids{1};
constexpr std::uint64_t id_run = 1024;

// Threads that have a root and have not ended; guards every thread's mail.
struct registry {
  std::mutex lock;
  std::vector<thread_words*> living;
};
constinit lasting<registry> everything;
registry& threads() noexcept { return *everything; }

// In a forked child the home of the fibers whose threads it does not have. Their words may become a new thread's.
constinit thread_words lost_home{};

// The fibers that live on this thread and have not ended.
std::vector<control_block*> fibers_of(thread_words& thread) {
  struct search {
    thread_words* home;
    std::vector<control_block*> found;
  } state{&thread, {}};
  for_each_block(
      [](control_block* block, void* argument) {
        auto& here = *static_cast<search*>(argument);
        if (__atomic_load_n(&block->home, __ATOMIC_RELAXED) != here.home) return;
        if (block->word != context::ended && (block->flags & is_root) == 0) here.found.push_back(block);
      },
      &state);
  return std::move(state.found);
}

// Newest first. A fiber that is resuming another cannot be unwound before that one; so again until nothing moves.
void unwind_all(thread_words& thread) {
  std::uint64_t before = 0;
  while (thread.started != 0 && thread.started != before) {
    before = thread.started;
    std::vector<control_block*> fibers = fibers_of(thread);
    std::sort(fibers.begin(), fibers.end(), [](auto* a, auto* b) { return a->id > b->id; });
    for (control_block* fiber : fibers) {
      if (state_of(fiber) == fiber_state::suspended || state_of(fiber) == fiber_state::transferred) unwind_fully(fiber);
    }
  }
}

struct thread_end {
  bool armed = false;
  thread_end() = default;
  thread_end(const thread_end&) = delete;
  thread_end& operator=(const thread_end&) = delete;
  ~thread_end() {
    if (!armed) return;
    thread_words& thread = *context::this_thread_words();
    unwind_all(thread);
    if (thread.current != thread.root) {
      // exit() was called in a fiber: it and its resumers are never left, so their handles may die with them.
      exiting_in_a_fiber = true;
      return;
    }
    {
      // From here on nobody mails to this thread.
      std::unique_lock held(threads().lock);
      while (thread.mail != nullptr) {
        held.unlock();
        read_mail();
        held.lock();
      }
      std::erase(threads().living, &thread);
    }
    remove_overflow_stack();
    forget_frames();
    drop_locals(thread.root);
    return_block(thread.root);
    thread.root = nullptr;
    thread.current = &context::unmet_root;
    stack::release_thread_cache();
    release_block_cache();
  }
};
thread_local thread_end at_thread_end;

}  // namespace

constinit thread_local bool exiting_in_a_fiber = false;

void meet_thread(thread_words& thread) {
  refuse_shadow_stack(context::shadow_stack_is_active());
  control_block* root = take_block();
  thread.exceptions = reinterpret_cast<context::exception_words*>(abi::__cxa_get_globals());
  thread.errno_pointer = &errno;
  __atomic_store_n(&root->home, &thread, __ATOMIC_RELAXED);
  root->word = context::running;
  root->resumer_sp = 0;
  root->flags = is_root;
  root->checker = context::crossing::current_record();
  const os::stack_bounds bounds = os::own_stack_bounds();
  root->stack_low = bounds.low;
  __atomic_store_n(&root->stack_high, bounds.high, __ATOMIC_RELAXED);
  cold_block& about = cold(root);
  about = cold_block{};
  about.name = "root";
  about.file = "";
  thread.root = root;
  thread.current = root;
  thread.left = nullptr;
  thread.last = root;
  thread.started = 0;
  thread.attention = 0;
  __atomic_store_n(&root->id, next_id(thread), __ATOMIC_RELEASE);
  add_overflow_stack();
  at_thread_end.armed = true;
  keep_debugger_layout();
  std::lock_guard held(threads().lock);
  install_overflow_handler();  // under a lock that a fork takes: done in the child, or not begun
  threads().living.push_back(&thread);
}

void decide_looking_ahead(thread_words& thread) noexcept {
  std::uintptr_t wanted = 0;
  if (thread.started >= context::prefetch_transfers_from_fibers) wanted |= context::prefetches_transfers;
  if (thread.started >= context::prefetch_from_fibers) wanted |= context::prefetches;
  // Other threads set has_mail in the same word.
  __atomic_fetch_and(&thread.attention, std::uintptr_t{context::has_mail}, __ATOMIC_RELAXED);
  __atomic_fetch_or(&thread.attention, wanted, __ATOMIC_RELAXED);
}

void take_ids(thread_words& thread) noexcept {
  thread.next_id = ids.fetch_add(id_run, std::memory_order_relaxed);
  thread.end_id = thread.next_id + id_run;
}

void send_home(control_block* fiber) noexcept {
  std::unique_lock held(threads().lock);
  thread_words* home = fiber->home;
  if (std::find(threads().living.begin(), threads().living.end(), home) == threads().living.end()) {
    held.unlock();
    release_ended(fiber);  // its home unwound it when it ended
    return;
  }
  cold(fiber).next = home->mail;
  home->mail = fiber;
  __atomic_fetch_or(&home->attention, context::has_mail, __ATOMIC_RELAXED);
}

void lock_threads() noexcept { threads().lock.lock(); }
void unlock_threads() noexcept { threads().lock.unlock(); }

namespace {

// The child has one thread, the caller's, and every fiber's stack as a private copy: its own fibers go on; those of the
// other threads stay suspended for ever, and their handles answer other_thread.
void forget_other_threads() noexcept {
  thread_words* self = context::this_thread_words();
  if (std::erase_if(threads().living, [&](thread_words* one) { return one != self; }) == 0) return;
  for_each_block(
      [](control_block* block, void* mine) {
        if (block->home != nullptr && block->home != mine) __atomic_store_n(&block->home, &lost_home, __ATOMIC_RELAXED);
      },
      self);
}

void after_fork_child() noexcept {
  forget_other_threads();
  unlock_threads();
}

[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&lock_threads, &unlock_threads, &after_fork_child); }

}  // namespace

void read_mail() noexcept {
  thread_words& thread = *context::this_thread_words();
  for (;;) {
    control_block* fiber = nullptr;
    {
      std::lock_guard held(threads().lock);
      fiber = thread.mail;
      if (fiber == nullptr) {
        __atomic_fetch_and(&thread.attention, ~std::uintptr_t{context::has_mail}, __ATOMIC_RELAXED);
        return;
      }
      thread.mail = cold(fiber).next;
    }
    cold(fiber).next = nullptr;
    destroy_at_home(fiber);
  }
}

}  // namespace ramie::inline v0::control
