// What every poller adds to sched/poller.hpp: operations. Home thread only.
#pragma once

#include "os/clock.hpp"
#include "poll/operation.hpp"
#include "sched/poller.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace ramie::inline v0::poll {

class poller : public sched::poller {
 public:
  explicit poller(parking::host& home) noexcept : home_(home) {}

  // perform() of an operation whose `at` is this and whose descriptor is in use.
  virtual int run(operation& one) = 0;
  // Calls an operation that waits here off: true, its task is the caller's to make ready; false, it will be woken.
  virtual bool call_off(operation& one) noexcept = 0;
  // A descriptor that was watched is about to be closed.
  virtual void forget(int number, std::uint64_t id) noexcept;

  [[nodiscard]] std::size_t in_flight() const noexcept final { return in_flight_; }
  [[nodiscard]] parking::host& home() const noexcept { return home_; }

 protected:
  parking::host& home_;
  std::size_t in_flight_ = 0;
};

// When the kernel refuses for want of memory or room, it is asked again after this.
inline constexpr std::int64_t again_after_ns = 1'000'000;
// Until then, or until `due_ns`.
inline void sleep_until_again(std::int64_t due_ns) noexcept {
  os::sleep_until(std::min(due_ns, os::monotonic_now_ns() + again_after_ns));
}

// While an operation waits it stands in its descriptor's list.
class standing {
 public:
  explicit standing(operation& one) noexcept : one_(one), stands_(one.on->enlist(one)) {}
  ~standing() {
    if (stands_) one_.on->delist(one_);
  }
  standing(const standing&) = delete;
  standing& operator=(const standing&) = delete;
  // False: the descriptor is closed.
  [[nodiscard]] explicit operator bool() const noexcept { return stands_; }

 private:
  operation& one_;
  const bool stands_;
};

}  // namespace ramie::inline v0::poll
