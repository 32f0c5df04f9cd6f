// Where stacks come from and go back to: a cache per thread, last in first out, above the shared arenas.
//
// acquire() and release() on one thread touch no lock and make no system call while the cache holds a slot: the stack
// that was used last, still in the processor's cache, is used next. Threads exchange slots with the shared lists in
// batches. What lies on the shared lists in excess of what the policy keeps is trimmed by the thread that brings it.
// Free-list data lies in the slots' records, never in the stacks, so a free stack stays as it is.
#pragma once

#include "stack/size_class.hpp"
#include "stack/slot.hpp"

#include <ramie/stack.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace ramie::stack {

// What a fiber asks for, resolved once when it is created.
struct request {
  std::uint8_t class_index = 0;
  ramie::guard guard = ramie::guard::automatic;
};

// Checks a size that is not the default. Throws stack_error when it is more than most_bytes.
request make_request(std::size_t stack_bytes, ramie::guard guard);

// The free slots that a thread keeps for itself; those with the automatic guard only.
struct cached_list {
  slot* top = nullptr;
  std::uint32_t count = 0;
};
struct thread_cache {
  cached_list lists[class_count];
  std::atomic<std::uint64_t> acquired{0};  // written by this thread, read by count_stacks()
  std::atomic<std::int64_t> in_use{0};
  thread_cache* next = nullptr;  // registered, for counts
  bool registered = false;
  const void* shelf = nullptr;  // lent stacks of this thread that nobody uses (room adopt)
  std::uint32_t (*shelved)(const void* shelf) noexcept = nullptr;
};
// Without a destructor: it can be used at any time of a thread's end.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local thread_cache cache;
inline constexpr std::size_t cached_slots_most = 256;  // per class and thread; more go to the shared list
// What the automatic guard stands for, once probed; changes when a rung fails in use.
extern std::atomic<ramie::guard> automatic_kind;

slot* acquire_shared(const request& wanted);
void release_shared(slot* used) noexcept;

// Only this thread writes its counters, so no read-modify-write is needed.
template <class T>
inline void count_up(std::atomic<T>& counter, T by) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// A guarded stack for `owner`, or stack_error. About 2 ns from the cache, 700 ns and a page fault for a new one.
inline slot* acquire(const request& wanted, void* owner) {
  cached_list& mine = cache.lists[wanted.class_index];
  slot* taken = mine.top;
  if (taken != nullptr && wanted.guard == ramie::guard::automatic) [[likely]] {
    mine.top = taken->next;
    --mine.count;
  } else {
    taken = acquire_shared(wanted);
  }
  taken->owner = owner;
  count_up(cache.acquired, std::uint64_t{1});
  count_up(cache.in_use, std::int64_t{1});
  return taken;
}

// Gives it back. Same thread or another; nothing may run on it any more.
inline void release(slot* used) noexcept {
  used->owner = nullptr;
  count_up(cache.in_use, std::int64_t{-1});
  cached_list& mine = cache.lists[used->class_index];
  if (used->guard != automatic_kind.load(std::memory_order_relaxed) || mine.count >= cached_slots_most) [[unlikely]] {
    return release_shared(used);
  }
  used->next = mine.top;
  mine.top = used;
  ++mine.count;
}

// Hands back the memory of all free slots except those in other threads' caches; how many.
std::size_t trim_free() noexcept;
// The calling thread's stacks are counted from now on, though it may only ever give back what others acquired.
// `shelved(shelf)` answers any thread how many of its stacks in use nobody uses; both null before that place goes.
void count_this_thread(const void* shelf, std::uint32_t (*shelved)(const void* shelf) noexcept) noexcept;

// The calling thread ends: its cached slots go to the shared lists.
void release_thread_cache() noexcept;

// Whose slot is this address in (its guard included)? Null for addresses that are no stack of ours. Any thread, also
// from a signal handler: takes no lock.
slot* slot_at(std::uintptr_t address) noexcept;

// Pages of the slot that were touched since it was last trimmed, in bytes.
std::size_t most_used_bytes(const slot& of) noexcept;

// How large the guard below this slot is.
std::size_t guard_bytes_of(const slot& of) noexcept;

// The room's lock. A fork takes it; in the child guards are put in force again before anything else runs, and one that
// cannot be is reported and its stacks say guard::none.
std::mutex& pool_lock() noexcept;

}  // namespace ramie::stack
