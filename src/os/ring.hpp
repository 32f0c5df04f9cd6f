// io_uring: operations given to the kernel in batches, answers taken from shared memory.
//
// The only file that knows liburing, and part of ramie::ramie only. One thread, except rouse(). Built without liburing,
// open() says so. The child of a fork has none of the ring's memory: there everything but rouse() comes after a
// renew().
#pragma once

#include "os/io_request.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace ramie::os {

struct ring_answer {
  std::uint64_t tag = 0;
  int result = 0;  // or -errno
};

class ring {
 public:
  // Tried, not asked for: an operation that does nothing and one that waits for a descriptor have come back. Null and
  // the reason when it does not work here. `entries`: operations per batch.
  static std::unique_ptr<ring> open(unsigned entries, std::string& reason);
  virtual ~ring() = default;
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;

  // Into the next batch. False when it is full: submit() first. Tags are not 0 and not UINT64_MAX.
  virtual bool push(const io_request& asked, std::uint64_t tag) noexcept = 0;
  virtual bool push_cancel(std::uint64_t tag) noexcept = 0;
  // Gives the batch to the kernel. 0 or -errno: EBUSY, answers have to be taken first; EAGAIN, ENOMEM: later.
  virtual int submit() noexcept = 0;
  // The same, and waits for an answer, a rouse() or until `due_ns` (monotonic clock; INT64_MAX: for ever). -ETIME when
  // only the time was over.
  virtual int submit_and_wait(std::int64_t due_ns) noexcept = 0;
  // Takes answers, at most so many. Enters the kernel only when that has some that it could not put down.
  virtual std::size_t take(ring_answer* found, std::size_t most, bool& roused) noexcept = 0;
  [[nodiscard]] virtual bool has_batch() const noexcept = 0;
  // Readable while there are answers to take; a rouse() is one after listen(), which does what submit() does, too. But
  // only when it tells_watchers(): on Linux 6.18 who polls a ring that leaves its answers until the thread enters
  // (IORING_SETUP_DEFER_TASKRUN: 0.1x less CPU at 10,000 connections) hears of nothing, nor does an eventfd.
  [[nodiscard]] virtual int descriptor() const noexcept = 0;
  [[nodiscard]] virtual bool tells_watchers() const noexcept = 0;
  // With nothing in flight: from now on it does. The descriptor is another then. 0 or -errno: it is as it was.
  virtual int be_watched() noexcept = 0;
  virtual int listen() noexcept = 0;
  // Any thread; safe in signal handlers. Of an inherited one: after renew().
  virtual void rouse() noexcept = 0;
  // In a forked child: a ring of its own takes the place of the inherited one, under the same number, with nothing in
  // flight. 0 or -errno: it is inherited still.
  virtual int renew() noexcept = 0;

 protected:
  ring() = default;
};

}  // namespace ramie::os
