#include "observe/watch.hpp"
#include "os/signals.hpp"

#include <ramie/stall_watch.hpp>

#include <pthread.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

namespace ramie {

using namespace ramie::v0;

namespace {

// The one that there is. The lock is held while one comes or goes.
struct place {
  std::mutex lock;
  observe::watch* one = nullptr;
};
constinit place the_place;

void lock_place() noexcept { the_place.lock.lock(); }
void unlock_place() noexcept { the_place.lock.unlock(); }
void forget_threads() noexcept {
  if (the_place.one != nullptr) the_place.one->forget_threads();
  the_place.one = nullptr;
  unlock_place();
}
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&lock_place, &unlock_place, &forget_threads); }

constexpr std::chrono::nanoseconds threshold_least = std::chrono::microseconds(100);

stall_options checked(stall_options&& options) {
  if (options.threshold < threshold_least) {
    throw std::invalid_argument("stall_options::threshold is " + std::to_string(options.threshold.count()) +
                                " ns; the least is 100,000 ns, a tenth of a millisecond");
  }
  if (!(options.sample_rate > 0 && options.sample_rate <= 1)) {
    throw std::invalid_argument("stall_options::sample_rate is " + std::to_string(options.sample_rate) +
                                "; it is a share, above 0 and at most 1");
  }
  if (options.signal == 0) options.signal = SIGURG;
  return std::move(options);
}

}  // namespace

struct stall_watch::state {
  explicit state(stall_options&& options) : watch(checked(std::move(options))) {}
  observe::watch watch;
};

stall_watch::stall_watch(stall_options options) {
  const std::lock_guard held(the_place.lock);
  if (the_place.one != nullptr) {
    throw std::logic_error("stall_watch: one watches this process already; a second would find the same stalls");
  }
  state_ = std::make_unique<state>(std::move(options));
  the_place.one = &state_->watch;
}

stall_watch::~stall_watch() {
  // What a fork has left in a child has locks of threads that are not there.
  if (!watches()) {
    static_cast<void>(state_.release());
    return;
  }
  const std::lock_guard held(the_place.lock);
  state_.reset();
  the_place.one = nullptr;
}

stall_watch::statistics stall_watch::counts() const noexcept { return state_->watch.counts(); }
bool stall_watch::watches() const noexcept { return state_->watch.is_ours(); }

}  // namespace ramie
