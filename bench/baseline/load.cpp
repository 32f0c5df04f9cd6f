#include "load.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>

namespace ramie::baseline {
namespace {

constexpr std::size_t samples_at_first = std::size_t{1} << 20;

int good(int result, const char* call) {
  if (result < 0) throw std::system_error(errno, std::system_category(), call);
  return result;
}

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

int connect_to(std::uint16_t port) {
  const int made = good(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket of the load");
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  good(connect(made, reinterpret_cast<sockaddr*>(&where), sizeof where), "connect of the load");
  const int on = 1;
  good(setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY of the load");
  return made;
}

double part_us(std::vector<std::uint32_t>& samples, double part) {
  if (samples.empty()) return 0;
  const auto place = static_cast<std::ptrdiff_t>(part * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), samples.begin() + place, samples.end());
  return samples[static_cast<std::size_t>(place)] / 1e3;
}

}  // namespace

load::load(std::uint16_t port, std::size_t connections) {
  queue_ = good(epoll_create1(EPOLL_CLOEXEC), "epoll_create1 of the load");
  all_.reserve(connections);
  took_ns_.reserve(samples_at_first);
  for (std::size_t i = 0; i < connections; ++i) {
    all_.push_back({.descriptor = connect_to(port)});
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = i;
    good(epoll_ctl(queue_, EPOLL_CTL_ADD, all_.back().descriptor, &event), "epoll_ctl of the load");
  }
  run(0);
}

load::~load() {
  for (const connection& one : all_) close(one.descriptor);
  if (queue_ >= 0) close(queue_);
}

void load::send_on(connection& one) {
  static constexpr std::array<char, message_bytes> message{};
  one.missing_bytes = message_bytes;
  one.sent_ns = now_ns();
  if (send(one.descriptor, message.data(), message.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(message.size())) {
    throw std::system_error(errno, std::system_category(), "send of the load");
  }
  ++in_flight_;
}

bool load::take_echo(connection& one) {
  std::array<char, message_bytes> data;
  const ssize_t got = recv(one.descriptor, data.data(), one.missing_bytes, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) throw std::system_error(got == 0 ? ECONNRESET : errno, std::system_category(), "recv of the load");
  one.missing_bytes -= static_cast<std::size_t>(got);
  if (one.missing_bytes != 0) return false;
  --in_flight_;
  return true;
}

load_figures load::run(double seconds) {
  took_ns_.clear();
  const std::int64_t began = now_ns();
  const std::int64_t until = began + static_cast<std::int64_t>(seconds * 1e9);
  for (connection& one : all_) send_on(one);
  std::array<epoll_event, events_at_once> events;
  while (in_flight_ != 0) {
    const int count = epoll_wait(queue_, events.data(), events_at_once, -1);
    for (int i = 0; i < count; ++i) {
      connection& one = all_[events[static_cast<std::size_t>(i)].data.u64];
      if (one.missing_bytes == 0 || !take_echo(one)) continue;
      const std::int64_t now = now_ns();
      took_ns_.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(now - one.sent_ns, UINT32_MAX)));
      if (now < until) send_on(one);
    }
  }
  load_figures seen;
  seen.requests = took_ns_.size();
  seen.seconds = static_cast<double>(now_ns() - began) / 1e9;
  seen.p50_us = part_us(took_ns_, 0.5);
  seen.p99_us = part_us(took_ns_, 0.99);
  return seen;
}

}  // namespace ramie::baseline
