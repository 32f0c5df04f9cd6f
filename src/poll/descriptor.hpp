// A descriptor's number, and who uses it: it is closed when the last of them has let go.
//
// Any thread. Whoever has a stream holds it once, each operation holds it once more while it lasts. close() is a word
// to the operations: those that wait are told and leave, later ones are refused, and the number itself goes back to the
// kernel only after the last one has left. So nothing ever happens to an unrelated file that got the same number, and a
// buffer is not let go of while the kernel may write to it.
// Invariant: an operation stands in `waiting_` from before it parks until after it was woken.
#pragma once

#include <ramie/park/wait_list.hpp>

#include <atomic>
#include <cstdint>

namespace ramie::inline v0::poll {

struct operation;

struct descriptor_traits {
  bool ours = true;        // closed at the end
  bool may_block = false;  // not O_NONBLOCK, and not ours to change: a terminal, an inherited pipe
};

class descriptor {
 public:
  // Held once. Throws std::bad_alloc; the number is as it was then.
  static descriptor* take(int number, descriptor_traits traits = {}) { return new descriptor(number, traits); }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] bool may_block() const noexcept { return traits_.may_block; }
  // Never given twice, as numbers are.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

  void hold() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
  void let_go() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  // Wakes who waits here, on whatever thread; theirs and all later operations fail. Does not let go.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  // By a poller that keeps a table of numbers.
  void watched() noexcept { watched_.store(true, std::memory_order_relaxed); }

  // False: closed, and it does not stand there.
  bool enlist(operation& one) noexcept;
  void delist(operation& one) noexcept;

 private:
  descriptor(int number, descriptor_traits traits) noexcept;
  ~descriptor();

  const int number_;
  const descriptor_traits traits_;
  const std::uint64_t id_;
  std::atomic<std::uint32_t> holders_ = 1;
  std::atomic<bool> closed_ = false, watched_ = false;
  parking::short_lock lock_;
  operation* waiting_ = nullptr;
};

}  // namespace ramie::inline v0::poll
