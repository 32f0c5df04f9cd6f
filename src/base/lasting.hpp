// Objects that are there as long as the process, and that a fork at any moment leaves usable.
//
// A function-local static of g++ and clang is made under a lock that no fork takes, and so is what std::call_once does:
// when one thread is in the middle of its first use while another forks, the child waits for ever for a thread that it
// does not have. So the library has neither (tests/house/fork_test.py). What it has instead, by the case:
//   - an object that the compiler makes: `constinit`, in a `lasting` when it has a destructor;
//   - a value that comes out the same for everybody: each works it out, and publishes it by one atomic store;
//   - an object that must be made at run time: first_made().
//
// The locks of such objects are taken around a fork by handlers that a [[gnu::constructor(101)]] beside the lock
// registers: before main, before every static initialiser, so before there is a second thread. Whoever holds one of
// these locks takes no other of them; so the order of the handlers, which is the linker's, does not matter.
// In the child's handler the other threads' memory is still what it was; afterwards libc gives their stacks and thread
// locals to the child's new threads, so whatever points there must be forgotten by then.
#pragma once

#include <atomic>
#include <memory>

namespace ramie {

// A T that is never destroyed: threads may use it, and fibers may end, while the process exits.
template <class T>
union lasting {
 public:
  constexpr lasting() noexcept : object_() {}
  ~lasting() {}  // NOLINT(modernize-use-equals-default): it would be deleted
  lasting(const lasting&) = delete;
  lasting& operator=(const lasting&) = delete;

  constexpr T& operator*() noexcept { return object_; }
  constexpr const T& operator*() const noexcept { return object_; }
  constexpr T* operator->() noexcept { return std::addressof(object_); }

 private:
  T object_;
};

// What `make` gives the first who comes (a std::unique_ptr), for all, never destroyed. Who comes at the same time may
// make one too, and drops it. Any thread; once it is there, a load.
template <class T, class Make>
T& first_made(std::atomic<T*>& place, Make make) {
  if (T* there = place.load(std::memory_order_acquire)) [[likely]]
    return *there;
  std::unique_ptr<T> mine = make();
  T* first = nullptr;
  if (place.compare_exchange_strong(first, mine.get(), std::memory_order_acq_rel)) return *mine.release();
  return *first;
}

}  // namespace ramie
