// Tasks that may run, in the order in which they became ready. One thread; others may ask for size()
// and popped(). A push never allocates: room is made when a task is made.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace ramie::inline v0::parking {

struct parked;

class ready_ring {
 public:
  [[nodiscard]] bool empty() const noexcept { return head() == tail(); }
  [[nodiscard]] std::size_t size() const noexcept { return tail() - head(); }

  // Room for so many. Throws std::bad_alloc; nothing has changed then.
  void reserve(std::size_t count) {
    if (count > mask_ + 1 || places_ == nullptr) grow(count);
  }
  void push(parked* one) noexcept {
    const std::size_t end = tail();
    tail_.store(end + 1, std::memory_order_relaxed);
    places_[end & mask_] = one;
  }
  parked* pop() noexcept {
    const std::size_t first = head();
    head_.store(first + 1, std::memory_order_relaxed);
    return places_[first & mask_];
  }
  // Of an empty line: as if one had been pushed and popped.
  void pass_over() noexcept {
    tail_.store(tail() + 1, std::memory_order_relaxed);
    head_.store(tail(), std::memory_order_relaxed);
  }
  // The one that will be popped after `ahead` others; anything when there are not so many.
  [[nodiscard]] parked* coming(std::size_t ahead) const noexcept { return places_[(head() + ahead) & mask_]; }
  // How many have been popped in all. Any thread.
  [[nodiscard]] std::size_t popped() const noexcept { return head(); }

 private:
  void grow(std::size_t count);
  [[nodiscard]] std::size_t head() const noexcept { return head_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t tail() const noexcept { return tail_.load(std::memory_order_relaxed); }

  std::unique_ptr<parked*[]> places_;
  std::size_t mask_ = 0;
  std::atomic<std::size_t> head_ = 0, tail_ = 0;  // they never go back
};

}  // namespace ramie::inline v0::parking
