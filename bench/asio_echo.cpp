// What an echo costs an Asio server: ramie::use_fiber beside asio::spawn, on the same sockets, alternating.
//
//     asio_echo [--smoke]    CPU time (user and system) of the server's process for a request
//
// The server is a process of its own and answers both kinds at two ports; clients are one thread of the parent with
// plain blocking sockets, a request in flight on each of 64 connections. Each round measures one kind, then the other.
// `switching only`: no sockets, a post and its completion, which is all that the two do differently.
#include <ramie/asio.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

namespace net = boost::asio;
using net::ip::tcp;

double cpu_us() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

constexpr std::size_t request_bytes = 64;

void serve_by_fiber(tcp::socket peer) {
  char data[1024];
  boost::system::error_code error;
  for (;;) {
    const std::size_t got = peer.async_read_some(net::buffer(data), ramie::use_fiber[error]);
    if (error) return;
    net::async_write(peer, net::buffer(data, got), ramie::use_fiber[error]);
    if (error) return;
  }
}

void serve_by_spawn(tcp::socket peer, net::yield_context yield) {
  char data[1024];
  boost::system::error_code error;
  for (;;) {
    const std::size_t got = peer.async_read_some(net::buffer(data), yield[error]);
    if (error) return;
    net::async_write(peer, net::buffer(data, got), yield[error]);
    if (error) return;
  }
}

void accept_for_fibers(net::io_context& context, tcp::acceptor& acceptor) {
  for (;;) {
    tcp::socket peer = acceptor.async_accept(ramie::use_fiber);
    ramie::spawn_fiber(context, [peer = std::move(peer)]() mutable { serve_by_fiber(std::move(peer)); });
  }
}

void accept_for_spawn(net::io_context& context, tcp::acceptor& acceptor, net::yield_context yield) {
  for (;;) {
    tcp::socket peer = acceptor.async_accept(yield);
    net::spawn(
        context, [peer = std::move(peer)](net::yield_context its) mutable { serve_by_spawn(std::move(peer), its); },
        net::detached);
  }
}

// Two acceptors, one for each kind; tells its CPU time to whoever writes a byte into `ask`.
void serve(tcp::acceptor& fibers, tcp::acceptor& spawned, net::io_context& context, int ask, int answer) {
  ramie::spawn_fiber(context, [&] { accept_for_fibers(context, fibers); });
  net::spawn(
      context, [&](net::yield_context yield) { accept_for_spawn(context, spawned, yield); }, net::detached);
  net::posix::stream_descriptor questions(context, ask);
  ramie::spawn_fiber(context, [&] {
    char question;
    boost::system::error_code error;
    while (questions.async_read_some(net::buffer(&question, 1), ramie::use_fiber[error]) == 1) {
      const double now = cpu_us();
      if (write(answer, &now, sizeof now) != sizeof now) break;
    }
    context.stop();
  });
  context.run();
}

struct server {
  int ask, answer;
  double cpu() const {
    double us = 0;
    if (write(ask, "?", 1) != 1 || read(answer, &us, sizeof us) != sizeof us) std::abort();
    return us;
  }
};

// Requests on all connections, answers from all, again and again.
double server_us_per_request(const server& other, std::vector<tcp::socket>& connections, int rounds) {
  char data[request_bytes] = {};
  const double before = other.cpu();
  for (int round = 0; round < rounds; ++round) {
    for (auto& one : connections) net::write(one, net::buffer(data));
    for (auto& one : connections) net::read(one, net::buffer(data));
  }
  return (other.cpu() - before) / rounds / static_cast<double>(connections.size());
}

double post_ns_by_fiber(int times) {
  net::io_context context(1);
  ramie::spawn_fiber(context, [&] {
    for (int i = 0; i < times; ++i) net::post(context, ramie::use_fiber);
  });
  const double before = cpu_us();
  context.run();
  return (cpu_us() - before) * 1000 / times;
}

double post_ns_by_spawn(int times) {
  net::io_context context(1);
  net::spawn(
      context,
      [&](net::yield_context yield) {
        for (int i = 0; i < times; ++i) net::post(context, yield);
      },
      net::detached);
  const double before = cpu_us();
  context.run();
  return (cpu_us() - before) * 1000 / times;
}

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

template <class Ours, class Theirs>
void compare(const char* what, const char* unit, int runs, Ours ours, Theirs theirs) {
  std::vector<double> mine, others;
  for (int run = 0; run < runs; ++run) {
    mine.push_back(ours());
    others.push_back(theirs());
  }
  std::printf("%-16s use_fiber %8.2f %s   asio::spawn %8.2f %s   ratio %.2f\n", what, median(mine), unit,
              median(others), unit, median(mine) / median(others));
}

}  // namespace

int main(int count, char** arguments) {
  const bool smoke = count > 1 && std::string_view(arguments[1]) == "--smoke";
  const int rounds = smoke ? 2 : 400, runs = smoke ? 1 : 11, posts = smoke ? 10 : 1000000;
  net::io_context context(1);
  tcp::acceptor fibers(context, {net::ip::address_v4::loopback(), 0});
  tcp::acceptor spawned(context, {net::ip::address_v4::loopback(), 0});
  int ask[2], answer[2];
  if (pipe(ask) != 0 || pipe(answer) != 0) return 1;
  std::fflush(stdout);
  context.notify_fork(net::execution_context::fork_prepare);
  const pid_t child = fork();
  if (child == 0) {
    context.notify_fork(net::execution_context::fork_child);
    close(ask[1]);
    serve(fibers, spawned, context, ask[0], answer[1]);
    _exit(0);
  }
  context.notify_fork(net::execution_context::fork_parent);
  close(ask[0]);
  const server other{ask[1], answer[0]};
  const auto connect = [&](const tcp::acceptor& to) {
    std::vector<tcp::socket> all;
    for (int i = 0; i < 64; ++i) {
      all.emplace_back(context);
      all.back().connect(to.local_endpoint());
      all.back().set_option(tcp::no_delay(true));
    }
    return all;
  };
  {
    std::vector<tcp::socket> ours = connect(fibers), theirs = connect(spawned);
    server_us_per_request(other, ours, 2);
    server_us_per_request(other, theirs, 2);
    compare(
        "echo", "us", runs, [&] { return server_us_per_request(other, ours, rounds); },
        [&] { return server_us_per_request(other, theirs, rounds); });
  }
  close(ask[1]);
  waitpid(child, nullptr, 0);
  compare(
      "switching only", "ns", runs, [&] { return post_ns_by_fiber(posts); }, [&] { return post_ns_by_spawn(posts); });
}
