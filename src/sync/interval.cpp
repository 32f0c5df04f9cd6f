#include <ramie/interval.hpp>
#include <ramie/park/wait.hpp>

#include <stdexcept>
#include <utility>

namespace ramie::inline v0 {
namespace {

// Nobody ends it but the clock.
constexpr parking::wait_kind tick_wait = {
    "interval", [](parking::waiter& one) noexcept { return std::exchange(one.asked, 1) == 0; }};

}  // namespace

interval::interval(std::chrono::nanoseconds period) : period_ns_(period.count()) {
  if (period_ns_ <= 0) throw std::invalid_argument("interval: a period longer than zero");
  restart();
}

void interval::restart() noexcept { next_ns_ = parking::due_after(period_ns_); }

std::int64_t interval::left_ns() const noexcept { return next_ns_ - parking::now_ns(); }

std::uint64_t interval::count() noexcept {
  parking::charge(1);
  const std::int64_t late_ns = -left_ns();
  if (late_ns < 0) return 0;
  const std::int64_t ended = 1 + late_ns / period_ns_;
  // The last of them is not later than now.
  const std::int64_t last_ns = next_ns_ + (ended - 1) * period_ns_;
  next_ns_ = period_ns_ > parking::never_ns - last_ns ? parking::never_ns : last_ns + period_ns_;
  return static_cast<std::uint64_t>(ended);
}

std::uint64_t interval::wait() {
  for (;;) {
    if (const std::uint64_t ended = count(); ended != 0) return ended;
    parking::waiter me;
    (void)parking::park_for(me, tick_wait, left_ns());
  }
}

}  // namespace ramie::inline v0
