// Asio's echo servers beside ramie's and the loop by hand, alternating: the ratios that `make bench` prints.
//
//     peer_io [--quick | --smoke] [--case echo|system_calls|idle_connection] [--also NAME=PROGRAM]...
//
// --also: another echo server, which is executed with a socket that listens as descriptor 3 (bench/peer_go_echo).
// Prints the JSON object of all benchmarks. "asio": callbacks, an object for each connection that keeps itself alive;
// "asio-stackful": boost::asio::spawn, a stack for each connection. Both by one thread that is alone with its
// io_context (concurrency hint 1).
#include "bench.hpp"
#include "bench_child.hpp"
#include "bench_io_rounds.hpp"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/write.hpp>
#include <boost/version.hpp>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace ramie::peer {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

class connection : public std::enable_shared_from_this<connection> {
 public:
  explicit connection(tcp::socket peer) : peer_(std::move(peer)) {}
  void read() {
    peer_.async_read_some(net::buffer(data_), [self = shared_from_this()](error_code error, std::size_t got) {
      if (!error) self->write(got);
    });
  }

 private:
  void write(std::size_t bytes) {
    net::async_write(peer_, net::buffer(data_, bytes), [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) self->read();
    });
  }
  tcp::socket peer_;
  std::array<char, baseline::buffer_bytes> data_;
};

tcp::acceptor listen_somewhere(net::io_context& context, const baseline::port_listener& listens) {
  tcp::acceptor door(context);
  const tcp::endpoint where(net::ip::address_v4::loopback(), 0);
  door.open(where.protocol());
  door.bind(where);
  door.listen(baseline::backlog);
  listens(door.local_endpoint().port());
  return door;
}

void echo_by_callbacks(const baseline::port_listener& listens) {
  net::io_context context(1);
  tcp::acceptor door = listen_somewhere(context, listens);
  std::function<void()> accept = [&] {
    door.async_accept([&](error_code error, tcp::socket peer) {
      if (!error) std::make_shared<connection>(std::move(peer))->read();
      accept();
    });
  };
  accept();
  context.run();
}

void serve(tcp::socket peer, net::yield_context yield) {
  std::array<char, baseline::buffer_bytes> data;
  error_code error;
  for (;;) {
    const std::size_t got = peer.async_read_some(net::buffer(data), yield[error]);
    if (error) return;
    net::async_write(peer, net::buffer(data, got), yield[error]);
    if (error) return;
  }
}

void echo_by_spawn(const baseline::port_listener& listens) {
  net::io_context context(1);
  tcp::acceptor door = listen_somewhere(context, listens);
  const auto accept_all = [&](net::yield_context yield) {
    for (;;) {
      tcp::socket peer = door.async_accept(yield);
      net::spawn(
          context, [peer = std::move(peer)](net::yield_context its) mutable { serve(std::move(peer), its); },
          net::detached);
    }
  };
  net::spawn(context, accept_all, net::detached);
  context.run();
}

// The process becomes that program.
void echo_by(const std::string& program, const baseline::port_listener& listens) {
  constexpr int given = 3;
  const int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof where;
  auto* address = reinterpret_cast<sockaddr*>(&where);
  if (door < 0 || bind(door, address, length) != 0 || listen(door, baseline::backlog) != 0 ||
      getsockname(door, address, &length) != 0) {
    throw std::system_error(errno, std::system_category(), "a socket that listens");
  }
  if (access(program.c_str(), X_OK) != 0) throw std::system_error(errno, std::system_category(), program);
  listens(ntohs(where.sin_port));
  if (dup2(door, given) < 0) throw std::system_error(errno, std::system_category(), "dup2");
  execl(program.c_str(), program.c_str(), nullptr);
  throw std::system_error(errno, std::system_category(), program);
}

int usage() {
  fmt::print(
      stderr,
      "usage: peer_io [--quick | --smoke] [--case echo|system_calls|idle_connection] [--also NAME=PROGRAM]...\n");
  return 2;
}

int main_of_peer(int count, char** arguments) {
  bool quick = false, smoke = false;
  std::string_view only_case;
  std::vector<app::io_contender> others;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--quick") {
      quick = true;
    } else if (argument == "--smoke") {
      smoke = true;
    } else if (argument == "--case" && i + 1 < count) {
      only_case = arguments[++i];
      if (only_case != "echo" && only_case != "system_calls" && only_case != "idle_connection") return usage();
    } else if (argument == "--also" && i + 1 < count) {
      const std::string other = arguments[++i];
      const std::size_t end = other.find('=');
      if (end == 0 || end == std::string::npos) return usage();
      others.push_back(
          {other.substr(0, end),
           [program = other.substr(end + 1)](const baseline::port_listener& listens) { echo_by(program, listens); }});
    } else {
      return usage();
    }
  }
  app::io_plan plan = app::plan_io(quick, smoke);
  plan.only_case = only_case;
  app::bench_report report;
  std::vector<app::io_contender> all = app::own_contenders(report);
  all.push_back({"asio", echo_by_callbacks});
  all.push_back({"asio-stackful", echo_by_spawn});
  for (app::io_contender& other : others) all.push_back(std::move(other));
  app::progress_bar bar(4);
  app::run_io_rounds(report, bar, plan, all);
  report.notes.push_back(
      fmt::format("Asio of Boost {}.{}, on epoll", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000));
  app::print_json("io", report);
  return 0;
}

}  // namespace
}  // namespace ramie::peer

int main(int count, char** arguments) { return ramie::peer::main_of_peer(count, arguments); }
