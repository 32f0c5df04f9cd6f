// An eventfd that ends a wait in an epoll or in a ring, for whoever has one of the two.
//
// Any thread calls rouse(), also in a signal handler; all else is its owner's thread. A fork shares it with the parent:
// until the owner has taken a number of the child's own and said so, what rouses in the child is owed, and reaches
// nobody in the parent.
#pragma once

#include "os/forks.hpp"
#include "os/io_request.hpp"

#include <atomic>
#include <cstdint>

namespace ramie::os {

class rouser {
 public:
  int number = -1;  // the owner makes it and closes it

  // It is the parent's.
  [[nodiscard]] bool is_inherited() const noexcept { return made_in_.load(std::memory_order_relaxed) != fork_count(); }
  // The number is this process's from now on, and somebody waits for it.
  void renewed() noexcept {
    made_in_.store(fork_count(), std::memory_order_seq_cst);
    if (owes_.exchange(false, std::memory_order_seq_cst)) sound(number);
  }
  void rouse() noexcept {
    if (is_inherited()) [[unlikely]] {
      owes_.store(true, std::memory_order_seq_cst);
      if (made_in_.load(std::memory_order_seq_cst) != fork_count()) return;
    }
    sound(number);
  }

 private:
  std::atomic<std::uint32_t> made_in_ = fork_count();
  std::atomic<bool> owes_ = false;
};

}  // namespace ramie::os
