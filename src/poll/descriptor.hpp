// A descriptor's number, and who uses it: it is closed when the last of them has let go.
//
// Any thread. Whoever has a stream holds it once, each operation holds it once more while it lasts. close() is a word
// to the operations: those that wait are told and leave, later ones are refused, and the number itself goes back to the
// kernel only after the last one has left. So nothing ever happens to an unrelated file that got the same number, and a
// buffer is not let go of while the kernel may write to it.
// Invariant: an operation stands in `waiting_` from before it parks until after it was woken.
#pragma once

#include "os/forks.hpp"

#include <ramie/park/wait_list.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace ramie::inline v0::poll {

struct operation;

struct descriptor_traits {
  bool ours = true;        // closed at the end
  bool may_block = false;  // not O_NONBLOCK, and not ours to change: a terminal, an inherited pipe
  bool is_pipe = false;    // writing to it may raise SIGPIPE: never in a ring, which has no way of not raising it
  bool is_tcp = false;     // a receive that did not fill its buffer has emptied it, but for its end and urgent bytes
};

class descriptor {
 public:
  // Owned once. Throws std::bad_alloc; the number is as it was then.
  static descriptor* take(int number, descriptor_traits traits = {}) { return new descriptor(number, traits); }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] bool may_block() const noexcept { return traits_.may_block; }
  [[nodiscard]] bool is_pipe() const noexcept { return traits_.is_pipe; }
  [[nodiscard]] bool is_tcp() const noexcept { return traits_.is_tcp; }
  // Never given twice, as numbers are.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

  // For an operation. False: the number is gone. Each true is followed by one let_go().
  [[nodiscard]] bool use() noexcept;
  void let_go() noexcept {
    // Nearly always not the last: one step on shared memory instead of two.
    std::uint64_t seen = state_.load(std::memory_order_relaxed);
    while ((seen & uses) > one_use && seen / one_owner > 1) {
      if (state_.compare_exchange_weak(seen, seen - one_owner - one_use, std::memory_order_acq_rel,
                                       std::memory_order_relaxed))
        return;
    }
    drop_use();
    drop_owner();
  }
  // The owner's last word; it has closed it.
  void disown() noexcept { drop_owner(); }
  // Wakes who waits here, on whatever thread; theirs and all later operations fail.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  // A receive has left nothing: the next one may expect to wait. Only a guess; any thread.
  void emptied(bool yes) noexcept { emptied_.store(yes, std::memory_order_relaxed); }
  [[nodiscard]] bool is_emptied() const noexcept { return emptied_.load(std::memory_order_relaxed); }
  // By a poller that keeps a table of numbers.
  void watched() noexcept { watched_.store(true, std::memory_order_relaxed); }

  // False: closed, and it does not stand there.
  bool enlist(operation& one) noexcept;
  // A thread that blocks here until its alarm rings. The same.
  struct blocked {
    int alarm = -1;
    blocked* next = nullptr;
  };
  bool enlist(blocked& one) noexcept;
  void delist(blocked& one) noexcept;
  void delist(operation& one) noexcept;

 private:
  descriptor(int number, descriptor_traits traits) noexcept;
  ~descriptor();
  void drop_use() noexcept {
    if ((state_.fetch_sub(one_use, std::memory_order_acq_rel) & uses) == one_use) release_number();
  }
  void drop_owner() noexcept {
    if (state_.fetch_sub(one_owner, std::memory_order_acq_rel) / one_owner == 1) delete this;
  }
  void release_number() noexcept;
  // Under the lock: threads that blocked here before a fork are not in the child, nor is what they stood there with.
  void forget_the_parents() noexcept {
    if (std::exchange(blocked_in_, os::fork_count()) != os::fork_count()) blocked_ = nullptr;
  }

  const int number_;
  const descriptor_traits traits_;
  const std::uint64_t id_;
  // Uses of the number: operations, and one until it is closed. Owners of this object: operations, and one. Uses never
  // come back from zero.
  static constexpr std::uint64_t one_use = 1, uses = UINT32_MAX, one_owner = std::uint64_t{1} << 32;
  std::atomic<std::uint64_t> state_ = one_owner + one_use;
  std::atomic<bool> closed_ = false, watched_ = false, emptied_ = false;
  parking::short_lock lock_;
  operation* waiting_ = nullptr;
  blocked* blocked_ = nullptr;
  std::uint32_t blocked_in_ = os::fork_count();
};

}  // namespace ramie::inline v0::poll
