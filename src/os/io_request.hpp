// One operation on a descriptor as a value, so that it can be tried at once (attempt) or given to a ring.
//
// The memory it points to is the caller's and lives until the operation has ended. Nothing here waits.
#pragma once

#include "os/direct_call.hpp"

#include <cstdint>

namespace ramie::os {

enum class io_kind : std::uint8_t {
  read,     // memory: iovec array, count; one that may block (a terminal, another process's pipe) is asked first
  write,    // the same; raises no SIGPIPE when it is attempted, in a ring it does
  receive,  // memory, count bytes; sockets
  send,     // the same; never raises SIGPIPE
  receive_message,  // memory: msghdr
  send_message,     // the same
  accept,           // the new descriptor is non-blocking and closed on exec
  connect,          // memory: sockaddr, count bytes; given again it says how far it has come
  readiness         // events, as for poll(2); the result is which have happened
};

struct io_request {
  io_kind kind = io_kind::readiness;
  bool may_block = false;     // the descriptor itself is not non-blocking
  bool likely_waits = false;  // receive: nothing was left the last time, so a ring need not try first
  std::int16_t events = 0;
  int descriptor = -1;
  int flags = 0;  // MSG_*
  std::uint32_t count = 0;
  void* memory = nullptr;
};

inline constexpr std::int16_t readable = 0x001, writable = 0x004;  // POLLIN, POLLOUT

// Does it if that can be done without waiting: its result, or -errno. One that would wait answers as would_wait says.
int attempt_any(const io_request& asked) noexcept;
// The two of every request without a call between.
[[gnu::always_inline]] inline int attempt(const io_request& asked) noexcept {
  if (!asked.may_block && asked.kind == io_kind::receive)
    return static_cast<int>(receive_now(asked.descriptor, asked.memory, asked.count, asked.flags | MSG_DONTWAIT));
  if (!asked.may_block && asked.kind == io_kind::send) {
    return static_cast<int>(
        send_now(asked.descriptor, asked.memory, asked.count, asked.flags | MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  return attempt_any(asked);
}
bool would_wait(io_kind kind, int result) noexcept;
bool was_interrupted(int result) noexcept;
// What a connect that was given again says of one that is under way or done, as the result of the first.
int settled(io_kind kind, int result) noexcept;
// What a task waits for that would do it: readable or writable.
std::int16_t events_of(const io_request& asked) noexcept;
// What ends a block_until() of another thread: an eventfd, or -errno.
int make_alarm() noexcept;
void sound(int alarm) noexcept;
// Blocks the calling thread until something of `events` has happened, or the alarm has rung. Without one it returns
// every 10 ms.
void block_until(int descriptor, std::int16_t events, int alarm) noexcept;
void close_descriptor(int descriptor) noexcept;

}  // namespace ramie::os
