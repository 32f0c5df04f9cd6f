#include "observe/watch.hpp"

#include "backtrace/symbolizer.hpp"
#include "os/clock.hpp"
#include "os/futex.hpp"
#include "os/thread.hpp"
#include "park/park.hpp"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

namespace ramie::inline v0::observe {
namespace {

constexpr int looks_in_threshold = 2;
// So many looks at which no scheduler was busy, and this thread sleeps until one is.
constexpr int idle_looks_most = 64;
constexpr std::int64_t longest_sleep_ns = 1'000'000'000;

}  // namespace

watch::watch(stall_options&& options)
    : threshold_ns_(options.threshold.count()),
      sample_rate_(options.sample_rate),
      sampler_(options.signal),
      reporter_(std::move(options.report)),
      chance_(static_cast<std::uint32_t>(os::monotonic_now_ns())) {
  backtrace::find_symbolizer();
  start("ramie-stalls", [](watch& self) { self.look_until_stopped(); });
  try {
    start("ramie-reports", [](watch& self) { self.reporter_.tell_all(); });
  } catch (...) {
    stop();
    throw;
  }
}

watch::~watch() { stop(); }

stall_watch::statistics watch::counts() const noexcept {
  return {stalls_.load(), lost_.load(), std::chrono::nanoseconds(longest_ns_.load())};
}

// They do nothing unless a task ran, so they can end no wait that would otherwise last for ever.
void watch::start(const char* name, void (*body)(watch& self)) {
  struct order {
    watch* self;
    void (*body)(watch& self);
  };
  auto* given = new order{this, body};
  threads_.fetch_add(1);
  parking::threads_at_rest.fetch_add(1);
  const int error = os::start_detached_thread(
      name, 0,
      [](void* argument) {
        const order mine = *static_cast<order*>(argument);
        delete static_cast<order*>(argument);
        mine.body(*mine.self);
        std::atomic<std::uint32_t>& left = mine.self->threads_;  // after this only its address is used
        parking::threads_at_rest.fetch_sub(1);
        left.fetch_sub(1);
        os::futex_wake_all(left);
      },
      given);
  if (error == 0) return;
  delete given;
  threads_.fetch_sub(1);
  parking::threads_at_rest.fetch_sub(1);
  throw std::system_error(error, std::generic_category(), "stall_watch: a thread of its own was refused");
}

void watch::stop() noexcept {
  is_stopped_.store(1);
  os::futex_wake_all(is_stopped_);
  sched::onlooker_sleeps.store(0);
  os::futex_wake_all(sched::onlooker_sleeps);
  while (const std::uint32_t left = threads_.load()) os::futex_wait(threads_, left);
}

void watch::look_until_stopped() noexcept {
  int idle_looks = 0;
  while (is_stopped_.load() == 0) {
    idle_looks = look() ? 0 : idle_looks + 1;
    if (idle_looks >= idle_looks_most) {
      sleep_until_one_is_busy();
    } else {
      const std::int64_t next = os::monotonic_now_ns() + threshold_ns_ / looks_in_threshold;
      while (is_stopped_.load() == 0 && os::futex_wait_until(is_stopped_, 0, next)) {
      }
    }
  }
  static_cast<void>(look());  // of those that go on it stays unknown when they will be over
  reporter_.stop();
}

void watch::sleep_until_one_is_busy() noexcept {
  sched::onlooker_sleeps.store(1);
  if (is_stopped_.load() == 0 && !look()) {
    static_cast<void>(os::futex_wait_until(sched::onlooker_sleeps, 1, os::monotonic_now_ns() + longest_sleep_ns));
  }
  sched::onlooker_sleeps.store(0);
}

bool watch::look() noexcept {
  try {
    sights_.clear();
    sched::each_scheduler(
        [](const sched::sight& one, void* self) { static_cast<watch*>(self)->sights_.push_back(one); }, this);
    const std::int64_t now = os::monotonic_now_ns();
    for (watched& one : known_) one.is_there = false;
    for (const sched::sight& one : sights_) see(one, now);
    for (watched& one : known_) {
      if (!one.is_there) end(one, now);
    }
    std::erase_if(known_, [](const watched& one) { return !one.is_there; });
  } catch (const std::bad_alloc&) {
    return true;  // the next look may be luckier
  }
  return std::any_of(known_.begin(), known_.end(), [](const watched& one) { return one.last.busy; });
}

void watch::see(const sched::sight& now, std::int64_t now_ns) {
  const auto place =
      std::find_if(known_.begin(), known_.end(), [&](const watched& one) { return one.last.which == now.which; });
  if (place == known_.end()) {
    known_.push_back({.last = now, .since_ns = now_ns});
    return;
  }
  watched& one = *place;
  one.is_there = true;
  if (one.is_stall) measure(one, now_ns);
  if (!now.busy || !one.last.busy || now.slice != one.last.slice || now.thread != one.last.thread) {
    end(one, now_ns);
    one = {.last = now, .since_ns = now_ns};
  } else if (now_ns - one.since_ns >= threshold_ns_ && !one.was_sampled) {
    begin(one, now_ns);
  }
}

void watch::measure(const watched& one, std::int64_t now_ns) noexcept {
  longest_ns_.store(std::max(longest_ns_.load(), now_ns - one.since_ns));
}

void watch::begin(watched& one, std::int64_t now_ns) noexcept {
  found_ = {};
  sampler_.take(one.last, found_.stacks);
  if (!found_.stacks.is_of_a_task) {
    one.since_ns = now_ns;  // the loop was between two tasks: what comes now counts from here
    return;
  }
  one.was_sampled = true;
  one.is_stall = true;
  measure(one, now_ns);
  const std::uint64_t number = stalls_.fetch_add(1) + 1;
  if (sample_rate_ < 1 && std::uniform_real_distribution<double>(0, 1)(chance_) >= sample_rate_) return;
  try {
    stall& what = found_.what;
    what.number = number;
    what.duration = std::chrono::nanoseconds(now_ns - one.since_ns);
    what.task = found_.stacks.task;
    what.spawned_at = found_.stacks.spawned_at;
    what.thread = one.last.thread;
    what.could_run = found_.stacks.could_run;
    what.system_call = found_.stacks.system_call;
    if (reporter_.put(found_)) {
      one.told_as = number;
      return;
    }
  } catch (const std::bad_alloc&) {
  }
  lost_.fetch_add(1);
}

void watch::end(watched& one, std::int64_t now_ns) noexcept {
  if (!std::exchange(one.is_stall, false)) return;
  if (one.told_as == 0) return;
  finding over;
  over.what.number = one.told_as;
  over.what.is_over = true;
  over.what.duration = std::chrono::nanoseconds(now_ns - one.since_ns);
  if (!reporter_.put(std::move(over))) lost_.fetch_add(1);
}

}  // namespace ramie::inline v0::observe
