#include <ramie/throttle.hpp>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace ramie::inline v0 {

using parking::waiter;

namespace {

// Nobody ends it but the clock.
constexpr parking::wait_kind turn_wait = {"throttle",
                                          [](waiter& one) noexcept { return std::exchange(one.asked, 1) == 0; }};

}  // namespace

throttle::throttle(std::size_t turns, std::chrono::nanoseconds span, throttle_options options) {
  if (turns == 0 || span.count() <= 0) {
    throw std::invalid_argument("throttle: at least one turn, in a span longer than zero");
  }
  turn_ns_ = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<std::uint64_t>(span.count()) / turns));
  // Half of all time is as good as for ever, and can be added to and taken from any time.
  constexpr std::int64_t for_ever_ns = INT64_MAX / 2;
  turn_ns_ = std::min(turn_ns_, for_ever_ns);
  const auto saved = static_cast<std::int64_t>(std::min<std::size_t>(std::max<std::size_t>(1, options.burst) - 1,
                                                                     static_cast<std::size_t>(for_ever_ns / turn_ns_)));
  burst_ns_ = saved * turn_ns_;
}

// Until the first of the line may go.
std::int64_t throttle::wait_ns() const noexcept {
  return next_ns_ == INT64_MIN ? 0 : std::max<std::int64_t>(0, next_ns_ - parking::now_ns());
}

void throttle::take() noexcept { next_ns_ = std::max(next_ns_, parking::now_ns() - burst_ns_) + turn_ns_; }

void throttle::wait() {
  const std::lock_guard held(line_);
  while (const std::int64_t left_ns = wait_ns()) {
    waiter me;
    (void)parking::park_for(me, turn_wait, left_ns);
  }
  take();
}

bool throttle::try_now() {
  const std::unique_lock held(line_, std::try_to_lock);
  if (!held.owns_lock() || wait_ns() != 0) return false;
  take();
  return true;
}

}  // namespace ramie::inline v0
