#include "os/event_queue.hpp"

#include "os/clock.hpp"
#include "os/io_request.hpp"
#include "os/socket.hpp"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <system_error>

namespace ramie::os {
namespace {

constexpr std::size_t events_at_once = 256;
constexpr std::uint64_t rouser_tag = UINT64_MAX;

int control(int queue, int operation, int descriptor, std::uint32_t mask, std::uint64_t tag) noexcept {
  const int before = errno;
  epoll_event event{};
  event.events = mask;
  event.data.u64 = tag;
  const int result = epoll_ctl(queue, operation, descriptor, &event) == 0 ? 0 : -errno;
  errno = before;
  return result;
}

}  // namespace

std::uint32_t event_queue::mask_of(std::int16_t events) const noexcept {
  std::uint32_t mask = 0;
  if ((events & readable) != 0) mask |= EPOLLIN | EPOLLRDHUP;
  if ((events & writable) != 0) mask |= EPOLLOUT;
  if (trigger_ == trigger::level) return mask;
  // Urgent bytes are told with the others, once.
  return mask | EPOLLET | ((events & readable) != 0 ? EPOLLPRI : 0U);
}

// 0 or -errno, and nothing is open.
int event_queue::make(int& queue, int& rouser) noexcept {
  const int before = errno;
  queue = epoll_create1(EPOLL_CLOEXEC);
  int refused = queue < 0 ? -errno : 0;
  errno = before;
  if (refused != 0) return refused;
  rouser = make_alarm();
  refused = rouser < 0 ? rouser : 0;
  if (refused == 0) return 0;
  close_descriptor(queue);
  return refused;
}

// At the counter's end (2^64 - 2 writes) a write would say EAGAIN.
int event_queue::watch_rouser() noexcept {
  return control(queue_, EPOLL_CTL_ADD, rouser_.number, EPOLLIN | EPOLLET, rouser_tag);
}

event_queue::event_queue(trigger when) : trigger_(when) {
  int refused = make(queue_, rouser_.number);
  if (refused != 0) {
    std::string text = "epoll_create1 and its eventfd";
    if (refused == -EMFILE || refused == -ENFILE) text += ": " + text_of_descriptor_limit(-refused);
    throw std::system_error(-refused, std::system_category(), text);
  }
  refused = watch_rouser();
  if (refused == 0) return;
  close_descriptor(queue_);
  close_descriptor(rouser_.number);
  throw std::system_error(-refused, std::system_category(), "eventfd for epoll");
}

int event_queue::renew() noexcept {
  int queue = -1, rouser = -1;
  if (const int refused = make(queue, rouser); refused != 0) return refused;
  int refused = take_number(queue, queue_);
  if (refused != 0) close_descriptor(queue);
  if (refused == 0) refused = take_number(rouser, rouser_.number);
  if (refused != 0) close_descriptor(rouser);
  if (refused == 0) refused = watch_rouser();
  if (refused == 0) rouser_.renewed();
  return refused;
}

event_queue::~event_queue() {
  close_descriptor(rouser_.number);
  close_descriptor(queue_);
}

int event_queue::watch(int descriptor, std::int16_t events, std::uint64_t tag) noexcept {
  const int result = control(queue_, EPOLL_CTL_ADD, descriptor, mask_of(events), tag);
  return result == -EEXIST ? watch_again(descriptor, events, tag) : result;
}

int event_queue::watch_again(int descriptor, std::int16_t events, std::uint64_t tag) noexcept {
  return control(queue_, EPOLL_CTL_MOD, descriptor, mask_of(events), tag);
}

void event_queue::unwatch(int descriptor) noexcept { control(queue_, EPOLL_CTL_DEL, descriptor, 0, 0); }

int event_queue::wait(std::span<happened> found, std::int64_t due_ns, bool now, bool& roused) noexcept {
  const int before = errno;
  std::array<epoll_event, events_at_once> events;  // filled by the kernel
  const int room = static_cast<int>(std::min(found.size(), events.size()));
  const std::int64_t left_ns = now                   ? 0
                               : due_ns == INT64_MAX ? -1
                                                     : std::max<std::int64_t>(0, due_ns - monotonic_now_ns());
  constexpr std::int64_t second_ns = 1'000'000'000, millisecond_ns = 1'000'000;
  int count = -1;
  if (has_nanoseconds_ && left_ns > 0) {
    const timespec left = {left_ns / second_ns, left_ns % second_ns};
    count = static_cast<int>(syscall(SYS_epoll_pwait2, queue_, events.data(), room, &left, nullptr, 0));
    // Older kernels, and container profiles that do not know it.
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) has_nanoseconds_ = false;
  }
  if (left_ns <= 0 || !has_nanoseconds_) {
    const std::int64_t left_ms = left_ns <= 0 ? left_ns : (left_ns + millisecond_ns - 1) / millisecond_ns;
    count = epoll_wait(queue_, events.data(), room, static_cast<int>(std::min<std::int64_t>(left_ms, INT32_MAX)));
  }
  const int result = count < 0 ? -errno : 0;
  errno = before;
  roused = false;
  int told = 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& one = events[static_cast<std::size_t>(i)];
    if (one.data.u64 == rouser_tag) {
      roused = true;
      continue;
    }
    const bool broken = (one.events & (EPOLLERR | EPOLLHUP)) != 0;
    found[static_cast<std::size_t>(told++)] = {
        .tag = one.data.u64,
        .to_readers = broken || (one.events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI)) != 0,
        .to_writers = broken || (one.events & EPOLLOUT) != 0,
        .odd = broken || (one.events & (EPOLLRDHUP | EPOLLPRI)) != 0,
    };
  }
  return result < 0 ? result : told;
}

}  // namespace ramie::os
