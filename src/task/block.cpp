// Blocks that stand in a task's frames: scopes, time limits, shields.
#include "base/check.hpp"
#include "os/clock.hpp"
#include "task/record.hpp"

#include <cxxabi.h>

#include <utility>

namespace ramie::inline v0::tasking {
namespace {

using parking::wait_kind;
using parking::waiter;

constexpr wait_kind children_wait = {
    "children", [](waiter& one) noexcept { return static_cast<scope_state*>(one.object)->joiners.remove(one); }};

// Waits until all children but the transient ones have ended. At the end of a block they are told what the waiter is
// told, and it waits for them all the same.
void wait_for_children(scope_state& scope) noexcept {
  while (scope.living != scope.transient) {
    waiter me;
    scope.joiners.push_back(me);
    parking::park_shielded(me, children_wait);
  }
}

void close(scope_state& scope) noexcept {
  wait_for_children(scope);
  if (scope.transient != 0) {
    // Only such are left: they go. From now on nobody is transient, so all are waited for.
    for (parking::parked* child = scope.first_child; child != nullptr; child = child->next_sibling) {
      record_of(*child).self.cancel(nullptr);
      record_of(*child).transient = false;
    }
    scope.transient = 0;
    wait_for_children(scope);
  }
  scope.closed = true;
  scope.leave();
  parking::charge(1);
}

struct time_limit : parking::block_scope, parking::timer {
  static void over(parking::timer& due) noexcept { static_cast<time_limit&>(due).cancel(nullptr); }
};

}  // namespace

// A forced unwinding has no object, so the reference that catches it is null, which UBSan must not mind.
__attribute__((no_sanitize("null"))) void run_block(scope_state& scope, void (*body)(void*), void* argument) {
  scope.home = &scheduler_here("a scope");
  scope.enter();
  std::exception_ptr failure;
  std::exception_ptr passing;  // a cancellation that is meant for somebody further out, and why
  std::exception_ptr cause;
  bool stopped = false;  // by this scope's own cancel()
  try {
    body(argument);
  } catch (const cancelled& told) {
    if (told.is_for(scope)) {
      told.absorb();
      stopped = true;
    } else {
      passing = std::current_exception();
      cause = told.cause();
    }
  } catch (abi::__forced_unwind&) {
    scope.cancel(nullptr);
    close(scope);
    throw;
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure != nullptr) fail(scope, failure, "the scope's body");
  if (passing != nullptr) scope.cancel(std::move(cause));
  const bool waits = scope.living != 0;
  close(scope);
  if (passing != nullptr) {
    if (scope.failure != nullptr) tell_unseen(scope.failure, "of an inner scope");
    std::rethrow_exception(std::move(passing));
  }
  if (scope.failure != nullptr) std::rethrow_exception(scope.failure);
  if (waits && !stopped) parking::check_cancelled(*parking::this_host());
}

bool run_limited(std::int64_t due_ns, bool shields, void (*body)(void*), void* argument) {
  sched::scheduler& here = scheduler_here("a time limit");
  struct limit_frame {
    sched::scheduler& here;
    time_limit limit;
    limit_frame(sched::scheduler& at, std::int64_t due, bool shielding) : here(at) {
      limit.shields = shielding;
      limit.fire = &time_limit::over;
      limit.enter();
      if (due < parking::never_ns) here.set(limit, due);
    }
    limit_frame(const limit_frame&) = delete;
    limit_frame& operator=(const limit_frame&) = delete;
    ~limit_frame() {
      here.unset(limit);
      limit.leave();
    }
  } frame(here, due_ns, shields);
  try {
    body(argument);
  } catch (const cancelled& told) {
    if (!told.is_for(frame.limit)) throw;
    told.absorb();
    return false;
  }
  parking::charge(1);
  return true;
}

std::int64_t due_at(std::chrono::steady_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::int64_t due_after(std::chrono::nanoseconds duration) { return parking::due_after(duration.count()); }

// In the middle of a block a limit around this wait may be further in than the scope: the wait is called off, and the
// children go on.
void join_children(scope_state& scope) {
  while (scope.living != scope.transient) {
    waiter me;
    me.object = &scope;
    scope.joiners.push_back(me);
    parking::park(me, children_wait);
  }
  parking::check_cancelled(*scope.home);
}

void cancel(scope_state& scope, std::exception_ptr cause) noexcept { scope.cancel(std::move(cause)); }

}  // namespace ramie::inline v0::tasking
