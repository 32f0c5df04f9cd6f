// An Asio echo server in straight code: one fiber a connection, errors where they happen, Asio for everything else.
//
//     example.20_asio_echo [CONNECTIONS]     runs the server and that many clients (100) over real connections
#include <ramie/asio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using ramie::use_fiber;

namespace {

void serve(tcp::socket peer) {
  char data[4096];
  boost::system::error_code end;
  for (;;) {
    const std::size_t got = peer.async_read_some(asio::buffer(data), use_fiber[end]);
    if (end) return;  // the peer has closed
    asio::async_write(peer, asio::buffer(data, got), use_fiber);
  }
}

void accept_all(tcp::acceptor& acceptor, asio::io_context& context, int connections) {
  for (int i = 0; i < connections; ++i) {
    tcp::socket peer = acceptor.async_accept(use_fiber);
    ramie::spawn_fiber(context, [peer = std::move(peer)]() mutable { serve(std::move(peer)); }, {.name = "session"});
  }
}

// True when what came back is what went out.
bool ask(asio::io_context& context, const tcp::endpoint& server, const std::string& text) {
  tcp::socket peer(context);
  peer.async_connect(server, use_fiber);
  asio::async_write(peer, asio::buffer(text), use_fiber);
  std::string answer(text.size(), ' ');
  asio::async_read(peer, asio::buffer(answer), use_fiber);
  return answer == text;
}

}  // namespace

int main(int count, char** arguments) {
  const int connections = count > 1 ? std::atoi(arguments[1]) : 100;
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  int right = 0;
  ramie::spawn_fiber(context, [&] { accept_all(acceptor, context, connections); }, {.name = "acceptor"});
  for (int i = 0; i < connections; ++i) {
    ramie::spawn_fiber(context,
                       [&, i] {
                         if (ask(context, acceptor.local_endpoint(), "hello from client " + std::to_string(i))) ++right;
                       },
                       {.name = "client"});
  }
  context.run();
  std::cout << right << " of " << connections << " clients heard themselves\n";
  return right == connections ? 0 : 1;
}
