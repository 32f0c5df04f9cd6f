// The only way to wait, and the only way to end a wait: what the waiting objects (mutex, channel) are made of.
//
// Status: experimental.
//
//     parking::waiter me;                      // on the stack that is going to wait
//     me.object = this;
//     lock; if (nothing there) list.push_back(me); unlock;
//     parking::park(me, receive_wait);         // returns when woken; throws ramie::cancelled when told to go
//
// A task parks: its whole chain is left, others run. A thread that runs no tasks blocks. Whoever takes the waiter out
// of its list calls wake(), once, from any thread; it need not hold the list's lock.
#pragma once

#include <ramie/park/running.hpp>
#include <ramie/park/wait_list.hpp>

#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {
namespace parking {

// What a task waits for: the word that tools print, and how the wait is called off. One per kind of wait, static.
struct wait_kind {
  const char* name;  // "mutex", "channel receive"
  // Takes the waiter out of wherever it waits: true, nobody will wake it any more; false, somebody is about to.
  // Called on the waiter's thread. Null: the wait cannot be called off.
  bool (*withdraw)(waiter& one) noexcept;
};

// The usual withdraw: out of a list of the object that it waits on, under that object's lock.
template <class Object, short_lock Object::*Lock, wait_list Object::*List>
[[gnu::visibility("hidden")]] bool leave_list(waiter& one) noexcept {
  auto& from = *static_cast<Object*>(one.object);
  (from.*Lock).lock();
  const bool stood_there = (from.*List).remove(one);
  (from.*Lock).unlock();
  return stood_there;
}

// Waits. Throws ramie::cancelled when a scope around it is or becomes cancelled and the wait could be called off.
void park(waiter& me, const wait_kind& kind);
// Waits, and is not called off: for what must be waited for.
void park_shielded(waiter& me, const wait_kind& kind) noexcept;

// Waits, at most so long. False: the time was over and the wait was called off, as `withdraw` does it. On a thread
// without a scheduler too.
[[nodiscard]] bool park_for(waiter& me, const wait_kind& kind, std::int64_t duration_ns);

// Ends the wait of one that was taken out of its list. Any thread; never waits.
void wake(waiter& one) noexcept;

// Those that were taken out of a list and are to be woken when its lock is not held any more. They stand in no list, so
// a wait that is called off meanwhile finds that it is too late.
class wake_list {
 public:
  void add(waiter& one) noexcept {
    one.next = nullptr;
    *last_ = &one;
    last_ = &one.next;
  }
  void take_all(wait_list& from, std::uint64_t answer = 0) noexcept {
    while (waiter* one = from.take_front()) {
      if (answer != 0) one->asked = answer;
      add(*one);
    }
  }
  void wake_all() noexcept {
    while (first_ != nullptr) {
      waiter* one = first_;
      first_ = one->next;  // after the wake it may be gone
      wake(*one);
    }
    last_ = &first_;
  }
  wake_list() noexcept = default;
  wake_list(const wake_list&) = delete;
  wake_list& operator=(const wake_list&) = delete;

 private:
  waiter* first_ = nullptr;
  waiter** last_ = &first_;
};

// Of what self() returned: a fiber of the calling thread that no scheduler runs. It cannot go on while the caller
// waits.
[[nodiscard]] bool waits_for_this_thread(const void* owner) noexcept;

// Nanoseconds on the clock of this thread's scheduler, which may be a fake one; without one, of the monotonic clock.
[[nodiscard]] std::int64_t now_ns() noexcept;
// So much later on that clock; never_ns for what lies beyond its end.
inline constexpr std::int64_t never_ns = INT64_MAX - 1;
[[nodiscard]] std::int64_t due_after(std::int64_t duration_ns) noexcept;

// For destructors of waiting objects: a failed check that names the object when somebody still waits on it.
void check_deserted(const wait_list& waiters, const char* object) noexcept;

}  // namespace parking
}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
