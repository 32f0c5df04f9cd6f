// Tasks that may run, in the order in which they became ready. One thread. A push never allocates: room is made when a
// task is made.
#pragma once

#include <cstddef>
#include <memory>

namespace ramie::inline v0::parking {

struct parked;

class ready_ring {
 public:
  [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
  [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }

  // Room for so many. Throws std::bad_alloc; nothing has changed then.
  void reserve(std::size_t count) {
    if (count > mask_ + 1 || places_ == nullptr) grow(count);
  }
  void push(parked* one) noexcept { places_[tail_++ & mask_] = one; }
  parked* pop() noexcept { return places_[head_++ & mask_]; }
  // The one that will be popped after `ahead` others; anything when there are not so many.
  [[nodiscard]] parked* coming(std::size_t ahead) const noexcept { return places_[(head_ + ahead) & mask_]; }

 private:
  void grow(std::size_t count);

  std::unique_ptr<parked*[]> places_;
  std::size_t mask_ = 0, head_ = 0, tail_ = 0;
};

}  // namespace ramie::inline v0::parking
