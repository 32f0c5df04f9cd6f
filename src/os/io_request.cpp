#include "os/io_request.hpp"

#include "os/direct_call.hpp"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

namespace ramie::os {
namespace {

static_assert(readable == POLLIN && writable == POLLOUT);

int ready_now(int descriptor, std::int16_t events) noexcept {
  pollfd one = {descriptor, events, 0};
  const int count = ::poll(&one, 1, 0);
  if (count < 0) return -errno;
  if (count == 0) return -EAGAIN;
  return (one.revents & POLLNVAL) != 0 ? -EBADF : one.revents;
}

int start_or_see(int descriptor, const sockaddr* address, socklen_t bytes) noexcept {
  return ::connect(descriptor, address, bytes) == 0 ? 0 : settled(io_kind::connect, -errno);
}

// Pipes raise SIGPIPE when nobody reads, and writev(2) has no flag against it: it is kept off this thread meanwhile,
// and the one that this call has raised is taken back. One that waited before, where the caller blocks it, stays.
long write_quietly(int descriptor, const iovec* pieces, int count) noexcept {
  sigset_t broken_pipe, before, waited;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  const bool is_callers = sigismember(&before, SIGPIPE) != 0;
  if (is_callers) sigpending(&waited);
  const long written = ::writev(descriptor, pieces, count);
  const int told = errno;
  if (written < 0 && told == EPIPE && !(is_callers && sigismember(&waited, SIGPIPE) != 0)) {
    const timespec at_once{};
    while (sigtimedwait(&broken_pipe, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  if (!is_callers) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = told;
  return written;
}

long call(const io_request& asked) noexcept {
  const int fd = asked.descriptor;
  if (asked.may_block) {
    const int ready = ready_now(fd, events_of(asked));
    if (ready < 0) return ready;
  }
  switch (asked.kind) {
    case io_kind::read:
      return ::readv(fd, static_cast<iovec*>(asked.memory), static_cast<int>(asked.count));
    case io_kind::write:
      return write_quietly(fd, static_cast<const iovec*>(asked.memory), static_cast<int>(asked.count));
    case io_kind::receive:
      return receive_now(fd, asked.memory, asked.count, asked.flags | MSG_DONTWAIT);
    case io_kind::send:
      return send_now(fd, asked.memory, asked.count, asked.flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    case io_kind::receive_message:
      return ::recvmsg(fd, static_cast<msghdr*>(asked.memory), asked.flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    case io_kind::send_message:
      return ::sendmsg(fd, static_cast<msghdr*>(asked.memory), asked.flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    case io_kind::accept:
      return ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    case io_kind::connect:
      return start_or_see(fd, static_cast<sockaddr*>(asked.memory), asked.count);
    case io_kind::readiness:
      return ready_now(fd, asked.events);
  }
  return -EINVAL;
}

}  // namespace

int attempt_any(const io_request& asked) noexcept {
  const int before = errno;
  long result = call(asked);
  if (result == -1 && asked.kind != io_kind::receive && asked.kind != io_kind::send) result = -errno;
  errno = before;
  return static_cast<int>(result);
}

bool would_wait(io_kind kind, int result) noexcept {
  return result == (kind == io_kind::connect ? -EINPROGRESS : -EAGAIN);
}

int settled(io_kind kind, int result) noexcept {
  if (kind != io_kind::connect) return result;
  return result == -EISCONN ? 0 : result == -EALREADY ? -EINPROGRESS : result;
}

bool was_interrupted(int result) noexcept { return result == -EINTR; }

std::int16_t events_of(const io_request& asked) noexcept {
  switch (asked.kind) {
    case io_kind::readiness:
      return asked.events;
    case io_kind::write:
    case io_kind::send:
    case io_kind::send_message:
    case io_kind::connect:
      return writable;
    default:
      return readable;
  }
}

int make_alarm() noexcept {
  const int before = errno;
  const int made = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int result = made < 0 ? -errno : made;
  errno = before;
  return result;
}

void sound(int alarm) noexcept {
  const int before = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(alarm, &one, sizeof one);
  errno = before;
}

void block_until(int descriptor, std::int16_t events, int alarm) noexcept {
  constexpr int look_again_ms = 10;
  const int before = errno;
  pollfd both[] = {{descriptor, events, 0}, {alarm, readable, 0}};  // a negative number is passed over
  ::poll(both, 2, alarm < 0 ? look_again_ms : -1);
  errno = before;
}

void close_descriptor(int descriptor) noexcept {
  const int before = errno;
  ::close(descriptor);  // also when it says EINTR: the number is free then
  errno = before;
}

}  // namespace ramie::os
