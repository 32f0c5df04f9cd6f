// What waiting objects (a mutex, a channel) keep: who waits on them, first come first.
//
// Status: experimental.
//
// A waiter is one wait of one fiber or thread: a small object on the stack that waits. It is in one list at a time, and
// who takes it out of the list owes it a wake. Nothing here locks: the object that owns the list does.
#pragma once

#include <ramie/context/switch.hpp>

#include <atomic>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {
namespace parking {

class host;
struct parked;
struct wait_kind;
struct waiter;

// One wait for several things: the first of racing wakers wins.
struct selection {
  static constexpr std::uint32_t open = UINT32_MAX, called_off = UINT32_MAX - 1;
  std::atomic<std::uint32_t> winner = open;
  waiter* sleeper = nullptr;  // who is woken, whichever arm wins
  bool claim(std::uint32_t arm) noexcept {
    std::uint32_t expected = open;
    return winner.compare_exchange_strong(expected, arm, std::memory_order_acq_rel);
  }
};

// Something that a thread is to do, posted to it by another.
struct letter {
  letter* next_letter = nullptr;
  void (*open)(letter& self) noexcept = nullptr;
};

struct waiter : letter {
  waiter* next = nullptr;
  waiter* previous = nullptr;
  bool listed = false;
  std::uint32_t arm = 0;                 // of its selection
  host* home = nullptr;                  // of the thread that waits; null: it has none and blocks
  parked* who = nullptr;                 // the task that waits
  const wait_kind* kind = nullptr;       // what for; set by park()
  void* object = nullptr;                // what it waits on: for whoever calls the wait off
  void* place = nullptr;                 // the object's own: where the value goes
  std::uint64_t asked = 0;               // the object's own: how much is asked for, what the answer was
  selection* choice = nullptr;           // it waits for one of several; null: for this alone
  std::atomic<std::uint32_t> state = 0;  // enum waiter_state; a futex where a plain thread waits

  waiter() noexcept;  // for the fiber or thread that calls
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;
};
enum waiter_state : std::uint32_t { waiting, woken, interrupted };

class wait_list {
 public:
  constexpr wait_list() noexcept = default;
  wait_list(const wait_list&) = delete;
  wait_list& operator=(const wait_list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] waiter* first() const noexcept { return first_; }

  void push_back(waiter& one) noexcept {
    one.previous = last_;
    one.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &one;
    last_ = &one;
    one.listed = true;
  }
  void push_front(waiter& one) noexcept {
    one.next = first_;
    one.previous = nullptr;
    (first_ == nullptr ? last_ : first_->previous) = &one;
    first_ = &one;
    one.listed = true;
  }
  // False when it was not in the list: somebody has taken it and will wake it.
  bool remove(waiter& one) noexcept {
    if (!one.listed) return false;
    (one.previous == nullptr ? first_ : one.previous->next) = one.next;
    (one.next == nullptr ? last_ : one.next->previous) = one.previous;
    one.listed = false;
    return true;
  }
  // Null when nobody waits.
  waiter* pop_front() noexcept {
    waiter* one = first_;
    if (one != nullptr) remove(*one);
    return one;
  }
  // The first whose wait is still open; those whose selection was won elsewhere are passed over. The caller owes it a
  // wake. Null when nobody waits.
  waiter* take_front() noexcept {
    while (waiter* one = pop_front()) {
      if (one->choice == nullptr || one->choice->claim(one->arm)) return one;
    }
    return nullptr;
  }
  // Takes over all of the other's, in order, behind its own.
  void append(wait_list& other) noexcept {
    while (waiter* one = other.pop_front()) push_back(*one);
  }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

// Held for a few instructions only, never across a wait.
//
// Most waiting objects are only ever used by the tasks of one thread, so the first thread to use one need not exchange
// anything: it says that it is inside (`mine_`), sees that it is still the only user, and is. Another thread that comes
// first takes that right away for good: it writes `being_shared`, makes all threads pass a barrier (membarrier(2)), and
// waits until the first is outside. After the barrier the first either has read `being_shared` before it got inside, or
// its `mine_` can be seen. From then on the lock is one word, `held_`, that is exchanged. Where the kernel refuses
// membarrier, and in a process in which rights were taken away often, locks are shared from the beginning.
class short_lock {
 public:
  constexpr short_lock() noexcept = default;
  short_lock(const short_lock&) = delete;
  short_lock& operator=(const short_lock&) = delete;

  void lock(const void* me = context::this_thread_words()) noexcept {
    const void* user = user_.load(std::memory_order_acquire);
    if (user == me) [[likely]] {
      if (enter_as_only_user(me)) return;
    } else if (user == shared()) {
      if (!held_.exchange(true, std::memory_order_acquire)) return;
    }
    lock_slowly(me);
  }
  void unlock() noexcept {
    // While the only user is inside nobody else can hold it; and who holds it when it is shared sees that.
    if (held_.load(std::memory_order_relaxed)) {
      held_.store(false, std::memory_order_release);
    } else {
      mine_.store(false, std::memory_order_release);
    }
  }

 private:
  static constexpr std::uintptr_t shared_word = 1, being_shared_word = 2;  // no thread's address
  static const void* shared() noexcept { return reinterpret_cast<const void*>(shared_word); }
  static const void* being_shared() noexcept { return reinterpret_cast<const void*>(being_shared_word); }

  bool enter_as_only_user(const void* me) noexcept {
    mine_.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the other side's barrier is for both
    if (user_.load(std::memory_order_relaxed) == me) [[likely]]
      return true;
    mine_.store(false, std::memory_order_release);
    return false;
  }
  void lock_slowly(const void* me) noexcept;
  void spin() noexcept;
  void take_right_from(const void* user) noexcept;

  std::atomic<const void*> user_ = nullptr;  // the only thread that uses it; null: none so far
  std::atomic<bool> mine_ = false;           // the only user is inside
  std::atomic<bool> held_ = false;           // shared, and somebody is inside
};

}  // namespace parking
}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
