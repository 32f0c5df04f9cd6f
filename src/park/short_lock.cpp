// The ways into a short lock that are not one store or one exchange. See wait_list.hpp for why they are safe.
#include "os/fence.hpp"
#include "os/futex.hpp"

#include <ramie/park/wait_list.hpp>

namespace ramie::inline v0::parking {
namespace {

// A right that is taken away costs a membarrier; a process that has paid for so many gives none any more.
constexpr std::uint32_t rights_to_take_away = 256;
constinit std::atomic<std::uint32_t> rights_taken_away = 0;

bool gives_rights() noexcept {
  return rights_taken_away.load(std::memory_order_relaxed) < rights_to_take_away && os::can_fence_threads();
}

}  // namespace

void short_lock::lock_slowly(const void* me) noexcept {
  for (;;) {
    const void* user = user_.load(std::memory_order_acquire);
    if (user == shared()) return spin();
    if (user == me) {
      if (enter_as_only_user(me)) return;
    } else if (user == nullptr) {
      user_.compare_exchange_strong(user, gives_rights() ? me : shared(), std::memory_order_acq_rel);
    } else if (user == being_shared()) {
      os::yield_processor();
    } else {
      take_right_from(user);
    }
  }
}

void short_lock::spin() noexcept {
  for (int spins = 0; held_.exchange(true, std::memory_order_acquire);) {
    while (held_.load(std::memory_order_relaxed)) {
      if (++spins > 100) os::yield_processor();
    }
  }
}

void short_lock::take_right_from(const void* user) noexcept {
  if (!user_.compare_exchange_strong(user, being_shared(), std::memory_order_acq_rel)) return;
  rights_taken_away.fetch_add(1, std::memory_order_relaxed);
  os::fence_threads();
  while (mine_.load(std::memory_order_acquire)) os::yield_processor();
  user_.store(shared(), std::memory_order_release);
}

}  // namespace ramie::inline v0::parking
