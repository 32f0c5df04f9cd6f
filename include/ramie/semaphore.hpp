// A number of permits: taken, given back, waited for in order.
//
// Status: experimental.
//
//     ramie::semaphore connections(10);
//     { ramie::permit one(connections); ... }         // or acquire(3) and release(3)
//     connections.set_limit(20);                       // who waits for room goes on
//
// Any thread. First come, first served, so one that asks for many is not starved by those that ask for few.
#pragma once

#include <ramie/park/wait.hpp>

#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {

class semaphore {
 public:
  explicit semaphore(std::size_t limit) noexcept : limit_(limit), highest_(limit) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore();

  // Throws cancelled when told to go, and std::invalid_argument for more than the limit has ever been.
  void acquire(std::size_t count = 1);
  [[nodiscard]] bool try_acquire(std::size_t count = 1) noexcept;
  // What was acquired, by anybody; more than is taken is a failed check.
  void release(std::size_t count = 1) noexcept;
  // Lowered below what is taken: nobody gets any until enough was given back.
  void set_limit(std::size_t limit) noexcept;

  [[nodiscard]] std::size_t limit() const noexcept;
  [[nodiscard]] std::size_t taken() const noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept;

 private:
  friend struct semaphore_waits;
  [[nodiscard]] bool has_room(std::uint64_t count) const noexcept {
    return taken_ <= limit_ && count <= limit_ - taken_;
  }
  void admit(parking::wake_list& admitted) noexcept;

  mutable parking::short_lock lock_;
  std::size_t limit_;
  std::size_t highest_;  // that the limit has been
  std::size_t taken_ = 0;
  std::size_t waiting_ = 0;
  parking::wait_list waiters_;
};

// Held while this lives.
class permit {
 public:
  explicit permit(semaphore& of, std::size_t count = 1) : of_(of), count_(count) { of.acquire(count); }
  ~permit() { of_.release(count_); }
  permit(const permit&) = delete;
  permit& operator=(const permit&) = delete;

 private:
  semaphore& of_;
  std::size_t count_;
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
