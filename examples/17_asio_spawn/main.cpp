// Asio's stackful coroutines as before, on guarded stacks: a server that answers, and a client that asks.
#include <ramie/boost_stack.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/write.hpp>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;

int main() {
  asio::io_context context;
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  asio::spawn(
      context, std::allocator_arg, ramie::boost_stack(0, "server"),
      [&](asio::yield_context yield) {
        tcp::socket peer = acceptor.async_accept(yield);
        std::string line;
        const std::size_t length = asio::async_read_until(peer, asio::dynamic_buffer(line), '\n', yield);
        asio::async_write(peer, asio::buffer("you said: " + line.substr(0, length)), yield);
      },
      asio::detached);
  asio::spawn(
      context, std::allocator_arg, ramie::boost_stack(0, "client"),
      [&](asio::yield_context yield) {
        tcp::socket server(context);
        server.async_connect(acceptor.local_endpoint(), yield);
        asio::async_write(server, asio::buffer("hello\n", 6), yield);
        std::string line;
        asio::async_read_until(server, asio::dynamic_buffer(line), '\n', yield);
        std::cout << line;
      },
      asio::detached);
  context.run();
}
