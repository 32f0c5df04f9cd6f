// A TCP echo server and its clients in straight code: a task for each connection, nothing calls back.
//
//     example.10_echo [CLIENTS] [REQUESTS]      100 clients with 20 requests each; RAMIE_IO=uring|epoll chooses how it
//                                               waits, RAMIE_LOG=info says what was taken
#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>

namespace {

void serve(ramie::net::stream peer) {
  std::array<char, 4096> data;
  while (const std::size_t got = peer.read_some(std::span(data))) peer.write_all({data.data(), got});
}

void accept_all(ramie::net::listener& door, ramie::scope& s) {
  for (;;) s.spawn([peer = door.accept()]() mutable { serve(std::move(peer)); }, {.name = "connection"});
}

// How many answers were what was sent.
int ask(const ramie::net::endpoint& server, int client, int requests) {
  ramie::net::stream peer = ramie::net::connect(server);
  peer.set_no_delay();
  int right = 0;
  for (int i = 0; i < requests; ++i) {
    const std::string text = "request " + std::to_string(i) + " of client " + std::to_string(client);
    peer.write_all(text);
    std::string answer(text.size(), ' ');
    peer.read_exactly(std::span(answer.data(), answer.size()));
    if (answer == text) ++right;
  }
  return right;
}

}  // namespace

int main(int count, char** arguments) {
  const int clients = count > 1 ? std::atoi(arguments[1]) : 100;
  const int requests = count > 2 ? std::atoi(arguments[2]) : 20;
  int right = 0;
  ramie::run([&] {
    ramie::net::listener door("127.0.0.1:0");
    const ramie::net::endpoint where = door.local();
    ramie::with_scope([&](ramie::scope& s) {
      // Keeps nobody waiting: it ends when the clients and their connections have ended.
      s.spawn([&] { accept_all(door, s); }, {.name = "acceptor", .transient = true});
      for (int i = 0; i < clients; ++i) s.spawn([&, i] { right += ask(where, i, requests); }, {.name = "client"});
    });
    std::printf("%d of %d answers from %s were right\n", right, clients * requests, where.text().c_str());
  });
  return right == clients * requests ? 0 : 1;
}
