// What can be set on a socket: what was set is told again, what a kind has not got is refused by its own error.
#include "io/net_world.hpp"

#include <sys/socket.h>

#include <array>
#include <limits>

namespace {

using namespace ramie_test;

class options : public net_world {};

TEST_F(options, what_tcp_has_is_told_as_it_was_set) {
  auto ends = connected();
  net::stream& one = ends.first;
  EXPECT_FALSE(one.no_delay() || one.keep_alive() || one.reset_on_close());
  for (const bool on : {true, false, true}) {
    one.set_no_delay(on);
    one.set_keep_alive(on);
    one.set_reset_on_close(on);
    EXPECT_EQ(one.no_delay(), on);
    EXPECT_EQ(one.keep_alive(), on);
    EXPECT_EQ(one.reset_on_close(), on);
  }
  one.set_keep_alive_idle_s(61);
  one.set_keep_alive_interval_s(7);
  one.set_keep_alive_probes(3);
  EXPECT_EQ(one.keep_alive_idle_s(), 61);
  EXPECT_EQ(one.keep_alive_interval_s(), 7);
  EXPECT_EQ(one.keep_alive_probes(), 3);
  EXPECT_EQ(one.unanswered_limit_ms(), 0);
  one.set_unanswered_limit_ms(20'000);
  EXPECT_EQ(one.unanswered_limit_ms(), 20'000);
  EXPECT_FALSE(ends.second.no_delay() || ends.second.keep_alive()) << "the other end has its own";
}

TEST_F(options, a_buffer_is_twice_what_was_set_and_a_listeners_is_its_connections) {
  net::listener door("127.0.0.1:0");
  door.set_receive_buffer_bytes(20'000);
  door.set_send_buffer_bytes(30'000);
  EXPECT_EQ(door.receive_buffer_bytes(), 40'000);
  EXPECT_EQ(door.send_buffer_bytes(), 60'000);
  net::stream near = net::connect(door.local());
  net::stream far = door.accept();
  EXPECT_EQ(far.receive_buffer_bytes(), 40'000);
  near.set_receive_buffer_bytes(10'000);
  EXPECT_EQ(near.receive_buffer_bytes(), 20'000);
  net::datagram one("127.0.0.1:0");
  one.set_receive_buffer_bytes(50'000);
  EXPECT_EQ(one.receive_buffer_bytes(), 100'000);
  auto pair = net::socket_pair();
  pair.first.set_send_buffer_bytes(9'000);
  EXPECT_EQ(pair.first.send_buffer_bytes(), 18'000);
  EXPECT_FALSE(one.broadcast());
  one.set_broadcast();
  EXPECT_TRUE(one.broadcast());
}

TEST_F(options, values_that_make_no_sense_are_refused_and_change_nothing) {
  auto ends = connected();
  net::stream& one = ends.first;
  const int receive = one.receive_buffer_bytes(), idle = one.keep_alive_idle_s();
  constexpr int least = std::numeric_limits<int>::min();
  for (const int value : {-1, least}) {
    EXPECT_EQ(error_of([&] { one.set_receive_buffer_bytes(value); }), std::errc::invalid_argument);
    EXPECT_EQ(error_of([&] { one.set_send_buffer_bytes(value); }), std::errc::invalid_argument);
    EXPECT_EQ(error_of([&] { one.set_keep_alive_idle_s(value); }), std::errc::invalid_argument);
    EXPECT_EQ(error_of([&] { one.set_unanswered_limit_ms(value); }), std::errc::invalid_argument);
  }
  for (const int value : {0, 32'768}) {
    EXPECT_EQ(error_of([&] { one.set_keep_alive_idle_s(value); }), std::errc::invalid_argument);
    EXPECT_EQ(error_of([&] { one.set_keep_alive_interval_s(value); }), std::errc::invalid_argument);
  }
  EXPECT_EQ(error_of([&] { one.set_keep_alive_probes(128); }), std::errc::invalid_argument);
  EXPECT_EQ(one.receive_buffer_bytes(), receive);
  EXPECT_EQ(one.keep_alive_idle_s(), idle);
}

TEST_F(options, what_a_kind_has_not_got_is_a_typed_error) {
  auto tcp = connected();
  auto unix_pair = net::socket_pair();
  auto pipe = net::pipe_pair();
  net::stream closed = net::socket_pair().first, none;
  closed.close();
  const auto expect = [](net::stream& one, std::errc code) {
    EXPECT_EQ(error_of([&] { one.set_no_delay(); }), code);
    EXPECT_EQ(error_of([&] { static_cast<void>(one.no_delay()); }), code);
    EXPECT_EQ(error_of([&] { one.set_keep_alive(); }), code);
    EXPECT_EQ(error_of([&] { static_cast<void>(one.keep_alive_probes()); }), code);
    EXPECT_EQ(error_of([&] { one.set_unanswered_limit_ms(1); }), code);
    EXPECT_EQ(error_of([&] { one.set_reset_on_close(); }), code);
  };
  expect(unix_pair.first, std::errc::operation_not_supported);
  expect(pipe.first, std::errc::not_a_socket);
  expect(closed, std::errc::bad_file_descriptor);
  expect(none, std::errc::bad_file_descriptor);
  const auto expect_of_unix = [](net::stream& one, std::errc code) {
    EXPECT_EQ(error_of([&] { static_cast<void>(one.peer_credentials()); }), code);
    EXPECT_EQ(error_of([&] { one.send_descriptor(0); }), code);
    EXPECT_EQ(error_of([&] { static_cast<void>(one.receive_descriptor()); }), code);
  };
  // The kernel would take the descriptor, send the byte alone, and say that the peer's user is 4294967295.
  tcp.second.write_all("x");
  expect_of_unix(tcp.first, std::errc::operation_not_supported);
  EXPECT_EQ(read_text(tcp.first), "x") << "nothing was read meanwhile";
  expect_of_unix(pipe.first, std::errc::not_a_socket);
  expect_of_unix(none, std::errc::bad_file_descriptor);
  EXPECT_EQ(error_of([&] { static_cast<void>(pipe.first.receive_buffer_bytes()); }), std::errc::not_a_socket);
}

TEST_F(options, addresses_of_what_has_none) {
  auto pipe = net::pipe_pair();
  EXPECT_EQ(error_of([&] { static_cast<void>(pipe.first.local()); }), std::errc::not_a_socket);
  EXPECT_EQ(error_of([&] { static_cast<void>(pipe.first.remote()); }), std::errc::not_a_socket);
  net::stream none;
  EXPECT_EQ(error_of([&] { static_cast<void>(none.local()); }), std::errc::bad_file_descriptor);
  EXPECT_EQ(error_of([&] { static_cast<void>(none.remote()); }), std::errc::bad_file_descriptor);
  auto ends = connected();
  ends.second.set_reset_on_close();
  ends.second.close();
  std::error_code error;
  std::array<char, 4> into{};
  static_cast<void>(ends.first.read_some(std::span<char>(into), error));
  EXPECT_EQ(error, std::errc::connection_reset);
  EXPECT_EQ(error_of([&] { static_cast<void>(ends.first.remote()); }), std::errc::not_connected);
  EXPECT_EQ(net::socket_pair().first.remote().family(), net::endpoint::family_kind::unix_socket);
}

TEST_F(options, several_listeners_share_a_port_only_if_all_say_so) {
  ramie::run([] {
    net::listener first("127.0.0.1:0", {.reuse_port = true});
    net::listener second(first.local(), {.reuse_port = true});
    EXPECT_EQ(error_of([&] { net::listener third(first.local()); }), std::errc::address_in_use);
    int at_first = 0, at_second = 0;
    for (int i = 0; i < 64; ++i) {
      net::stream peer = net::connect(first.local());
      const bool is_firsts = ramie::try_for(std::chrono::milliseconds(0), [&] { static_cast<void>(first.accept()); });
      if (!is_firsts) static_cast<void>(second.accept());
      ++(is_firsts ? at_first : at_second);
    }
    EXPECT_GT(at_first, 0);
    EXPECT_GT(at_second, 0);
    net::datagram one("127.0.0.1:0", {.reuse_port = true});
    EXPECT_NO_THROW(net::datagram(one.local(), {.reuse_port = true}));
    EXPECT_EQ(error_of([&] { net::datagram other(one.local()); }), std::errc::address_in_use);
  });
}

TEST_F(options, ipv6_takes_ipv4_too_unless_it_is_told_not_to) {
  std::error_code missing;
  static_cast<void>(net::connect("[::1]:1", missing));
  if (missing == std::errc::address_family_not_supported || missing == std::errc::address_not_available) {
    std::printf("skipped: IPv6: %s\n", missing.message().c_str());
    GTEST_SKIP();
  }
  ramie::run([] {
    {
      net::listener both("[::]:0");
      const std::string four = "127.0.0.1:" + std::to_string(both.local().port());
      net::stream near = net::connect(net::endpoint(four));
      EXPECT_EQ(both.accept().remote().text().substr(0, 18), "[::ffff:127.0.0.1]");
      EXPECT_EQ(error_of([&] { net::listener other{net::endpoint(four)}; }), std::errc::address_in_use);
    }
    net::listener six("[::]:0", {.ipv6_only = true});
    const net::endpoint four("127.0.0.1:" + std::to_string(six.local().port()));
    EXPECT_EQ(error_of([&] { static_cast<void>(net::connect(four)); }), std::errc::connection_refused);
    EXPECT_NO_THROW(net::listener{four});
    net::datagram six_too("[::]:0", {.ipv6_only = true});
    EXPECT_NO_THROW(net::datagram("127.0.0.1:" + std::to_string(six_too.local().port())));
  });
}

}  // namespace
