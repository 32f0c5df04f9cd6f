// What a scheduler sleeps in once its tasks wait for the world, and where it looks for what has happened there.
//
// A scheduler has none until the first operation on its thread asks for it (poller_here): a program without I/O has no
// descriptor of ours and sleeps in a futex. Which one it is only `runtime` chooses; it gives the scheduler a factory.
// All calls are the home thread's, except rouse().
// Invariant: an operation that is in flight ends by its task being made ready, once, in look() or in sleep().
#pragma once

#include "park/host.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ramie::inline v0::sched {

class poller {
 public:
  poller() = default;
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;
  virtual ~poller() = default;

  // Makes ready whose operations have ended, without waiting. Nearly free when none is in flight. `sleeps_next`:
  // sleep() follows unless this finds something, so what would enter the kernel may be left to that.
  virtual void look(bool sleeps_next) noexcept = 0;
  // Waits until an operation has ended, somebody rouses, or the time has come (monotonic clock; INT64_MAX: never), and
  // does what look() does. False when only the time was over.
  virtual bool sleep(std::int64_t due_ns) noexcept = 0;
  // Any thread: sleep() returns, also one that is only about to begin.
  virtual void rouse() noexcept = 0;
  // For a thread that waits in a loop of somebody else's. The descriptor is readable when look() would find something,
  // or somebody has roused; -1: there is none. Throws std::system_error when it cannot be made so. hand_over() comes
  // before each wait there: what was asked of the kernel is on its way. False: some of it was refused for now, and is
  // to be asked again in a millisecond.
  [[nodiscard]] virtual int host_descriptor() { return -1; }
  virtual bool hand_over() noexcept { return true; }
  // Operations that may still end by themselves. While there are any, nothing is stuck.
  [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
};

// Makes one for the host of the calling thread. Throws std::system_error: why not, and what to do.
struct poller_factory {
  std::unique_ptr<poller> (*make)(const void* wanted, parking::host& home) = nullptr;
  const void* wanted = nullptr;  // its own; outlives the scheduler
};

// The poller of the scheduler whose task calls, made now if it is the first to ask; throws what the factory throws.
// Null where no task runs: the thread may block.
poller* poller_here();
// The same, when it was made already; else null.
poller* poller_made_here() noexcept;

}  // namespace ramie::inline v0::sched
