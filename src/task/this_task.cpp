// What a task says and asks of itself.
#include "os/clock.hpp"
#include "os/futex.hpp"
#include "task/record.hpp"

namespace ramie::this_task {

using namespace ramie::v0;
using parking::host;
using tasking::record;

namespace {

// A wait that a timer ends.
struct sleeper : parking::waiter, parking::timer {
  static void over(parking::timer& due) noexcept { parking::wake(static_cast<sleeper&>(due)); }
  static bool withdraw(parking::waiter& one) noexcept {
    auto& self = static_cast<sleeper&>(one);
    if (!self.is_set()) return false;
    self.home->unset(self);
    return true;
  }
};
constexpr parking::wait_kind sleep_wait = {"sleep", &sleeper::withdraw};

void sleep_until_ns(host& here, std::int64_t due_ns) {
  sleeper me;
  me.fire = &sleeper::over;
  here.set(me, due_ns);
  parking::park(me, sleep_wait);
}

record* mine() noexcept {
  host* here = parking::this_host();
  return here == nullptr || here->running == nullptr ? nullptr : &tasking::record_of(*here->running);
}

}  // namespace

void yield() noexcept {
  if (host* here = parking::this_host()) return parking::yield(*here);
  os::yield_processor();
}

void sleep_until(std::chrono::steady_clock::time_point time) {
  const std::int64_t due_ns = tasking::due_at(time);
  if (host* here = parking::this_host()) return sleep_until_ns(*here, due_ns);
  os::sleep_until(due_ns);
}

void sleep_for(std::chrono::nanoseconds duration) {
  const std::int64_t due_ns = parking::due_after(duration.count());
  if (host* here = parking::this_host()) return sleep_until_ns(*here, due_ns);
  os::sleep_until(due_ns);
}

void check() {
  host* here = parking::this_host();
  if (here == nullptr || here->running == nullptr) return;
  parking::charge(1);
  parking::check_cancelled(*here);
}

std::stop_token stop_token() {
  record* task = mine();
  return task == nullptr ? std::stop_token() : parking::stop_token_in(parking::current_scope(*task));
}

void annotate(std::string_view text) {
  if (record* task = mine()) task->annotation = std::make_unique<std::string>(text);
}

const char* name() noexcept {
  const record* task = mine();
  return task == nullptr ? "" : task->name.text();
}

std::chrono::steady_clock::time_point now() noexcept {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(parking::now_ns()));
}

no_yield::no_yield() noexcept {
  if (record* task = mine()) ++task->no_yield;
}
no_yield::~no_yield() {
  if (record* task = mine()) --task->no_yield;
}

usage used() noexcept {
  host* here = parking::this_host();
  const record* task = mine();
  if (task == nullptr) return {0, 0};
  return {task->reductions + static_cast<std::uint64_t>(parking::reductions_per_slice - here->budget),
          task->ticks + (here->ticks.load(std::memory_order_relaxed) - here->ticks_seen)};
}

}  // namespace ramie::this_task
