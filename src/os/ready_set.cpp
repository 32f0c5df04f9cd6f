#include "os/ready_set.hpp"

#include "os/clock.hpp"
#include "os/io_request.hpp"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

namespace ramie::os {
namespace {

constexpr std::size_t events_at_once = 64;

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

ready_set::ready_set() {
  queue_ = epoll_create1(EPOLL_CLOEXEC);
  if (queue_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
  rouser_ = make_alarm();
  const int refused = rouser_ < 0 ? -errno : control(queue_, EPOLL_CTL_ADD, rouser_, EPOLLIN, rouse_tag);
  if (refused == 0) return;
  close_descriptor(queue_);
  if (rouser_ >= 0) close_descriptor(rouser_);
  throw std::system_error(-refused, std::system_category(), "eventfd for epoll");
}

ready_set::~ready_set() {
  close_descriptor(rouser_);
  close_descriptor(queue_);
}

int ready_set::watch(int descriptor, std::int16_t events, std::uint64_t tag) noexcept {
  const auto mask = ((events & readable) != 0 ? EPOLLIN | EPOLLRDHUP : 0U) | ((events & writable) != 0 ? EPOLLOUT : 0U);
  const int result = control(queue_, EPOLL_CTL_ADD, descriptor, mask, tag);
  return result == -EEXIST ? control(queue_, EPOLL_CTL_MOD, descriptor, mask, tag) : result;
}

void ready_set::unwatch(int descriptor) noexcept { control(queue_, EPOLL_CTL_DEL, descriptor, 0, 0); }

int ready_set::wait(std::span<one> found, std::int64_t due_ns) noexcept {
  constexpr std::int64_t millisecond_ns = 1'000'000;
  const int before = errno;
  std::array<epoll_event, events_at_once> events;  // filled by the kernel
  const std::int64_t left_ns = due_ns == 0 ? 0 : std::max<std::int64_t>(0, due_ns - monotonic_now_ns());
  const std::int64_t left_ms =
      due_ns == INT64_MAX
          ? -1
          : std::min<std::int64_t>(left_ns / millisecond_ns + (left_ns % millisecond_ns != 0), INT32_MAX);
  const int count = epoll_wait(queue_, events.data(), static_cast<int>(std::min(found.size(), events.size())),
                               static_cast<int>(left_ms));
  const int result = count < 0 ? -errno : count;
  for (int i = 0; i < count; ++i) {
    const epoll_event& each = events[static_cast<std::size_t>(i)];
    const bool broken = (each.events & (EPOLLERR | EPOLLHUP)) != 0;
    const bool reads = broken || (each.events & (EPOLLIN | EPOLLRDHUP)) != 0;
    const bool writes = broken || (each.events & EPOLLOUT) != 0;
    found[static_cast<std::size_t>(i)] = {each.data.u64,
                                          static_cast<std::int16_t>((reads ? readable : 0) | (writes ? writable : 0))};
    if (each.data.u64 != rouse_tag) continue;
    std::uint64_t times = 0;
    [[maybe_unused]] const ssize_t emptied = ::read(rouser_, &times, sizeof times);
  }
  errno = before;
  return result;
}

void ready_set::rouse() noexcept { sound(rouser_); }

}  // namespace ramie::os
