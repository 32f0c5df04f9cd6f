#include "epoll_echo.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace ramie::baseline {
namespace {

int good(int result, const char* call) {
  if (result < 0) throw std::system_error(errno, std::system_category(), call);
  return result;
}

int listen_somewhere(const port_listener& listens) {
  const int door = good(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  good(bind(door, reinterpret_cast<sockaddr*>(&where), size), "bind");
  good(listen(door, backlog), "listen");
  good(getsockname(door, reinterpret_cast<sockaddr*>(&where), &size), "getsockname");
  listens(ntohs(where.sin_port));
  return door;
}

void watch(int queue, int descriptor, std::uint32_t events) {
  epoll_event one{};
  one.events = events;
  one.data.fd = descriptor;
  good(epoll_ctl(queue, EPOLL_CTL_ADD, descriptor, &one), "epoll_ctl");
}

void accept_all(int queue, int door, std::uint32_t events) {
  for (;;) {
    const int peer = accept4(door, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (peer >= 0) {
      watch(queue, peer, events);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

// A read that does not fill the buffer has emptied the socket: what comes later is told. `ends`: told already.
void answer(int peer, bool ends) {
  std::array<char, buffer_bytes> data;
  for (;;) {
    const ssize_t got = recv(peer, data.data(), data.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    // The load has one message in flight, for which there is always room: a short write is a broken peer.
    if (got <= 0 || send(peer, data.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) {
      close(peer);
      return;
    }
    if (static_cast<std::size_t>(got) < data.size() && !ends) return;
  }
}

}  // namespace

void epoll_echo(trigger how, const port_listener& listens) {
  const int queue = good(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  const int door = listen_somewhere(listens);
  watch(queue, door, EPOLLIN);
  const std::uint32_t of_peers = EPOLLIN | EPOLLRDHUP | (how == trigger::edge ? EPOLLET : 0U);
  std::array<epoll_event, events_at_once> events;
  for (;;) {
    const int count = epoll_wait(queue, events.data(), events_at_once, -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& one = events[static_cast<std::size_t>(i)];
      if (one.data.fd == door) {
        accept_all(queue, door, of_peers);
      } else {
        answer(one.data.fd, (one.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
      }
    }
  }
}

}  // namespace ramie::baseline
