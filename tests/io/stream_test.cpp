// Bytes over TCP and Unix sockets and pipes.
#include "io/net_world.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <numeric>
#include <thread>
#include <vector>

namespace {

using namespace ramie_test;

class streams : public net_world {};

TEST_F(streams, an_echo_returns_every_byte) {
  ramie::run([](ramie::scope& s) {
    net::listener door("127.0.0.1:0");
    s.spawn([&] { echo(door.accept()); });
    net::stream peer = net::connect(door.local());
    peer.set_no_delay();
    for (int i = 0; i < 100; ++i) {
      const std::string line = "line " + std::to_string(i);
      peer.write_all(line);
      std::string back(line.size(), '\0');
      EXPECT_EQ(peer.read_exactly(std::span(back.data(), back.size())), line.size());
      EXPECT_EQ(back, line);
    }
    peer.shutdown_send();
    EXPECT_EQ(read_text(peer), "");
  });
}

TEST_F(streams, after_the_end_of_one_direction_the_other_goes_on) {
  ramie::run([] {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    near.write_all("ask");
    near.shutdown_send();
    EXPECT_EQ(read_text(far), "ask");
    EXPECT_EQ(read_text(far), "");
    EXPECT_EQ(read_text(far), "");
    far.write_all("answer");
    far.close();
    EXPECT_EQ(read_text(near), "answer");
    EXPECT_EQ(read_text(near), "");
  });
}

TEST_F(streams, a_peer_that_sends_a_byte_at_a_time_is_read_exactly) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    far.set_no_delay();
    const std::string text = "one byte at a time";
    s.spawn([&] {
      for (char each : text) {
        far.write_all(std::string_view(&each, 1));
        ramie::this_task::yield();
      }
    });
    std::string got(text.size(), '\0');
    EXPECT_EQ(near.read_exactly(std::span(got.data(), got.size())), text.size());
    EXPECT_EQ(got, text);
    s.join();
  });
}

TEST_F(streams, a_stream_that_ends_early_says_how_much_was_read) {
  ramie::run([] {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    far.write_all("abc");
    far.close();
    std::array<char, 10> data{};
    EXPECT_EQ(near.read_exactly(data), 3U);
  });
}

TEST_F(streams, bytes_and_the_end_that_come_together_are_both_seen) {
  ramie::run([](ramie::scope& s) {
    for (bool urgent : {false, true}) {
      auto near_and_far = connected();
      auto &near = near_and_far.first, &far = near_and_far.second;
      std::string got;
      auto reads = s.spawn([&near, &got] {
        for (std::string part; !(part = read_text(near)).empty();) got += part;
      });
      ramie::this_task::sleep_for(1ms);
      far.write_all("first ");
      ramie::this_task::sleep_for(1ms);
      if (urgent) {
        ASSERT_EQ(::send(far.number(), "!", 1, MSG_OOB), 1);
      }
      far.write_all("and last");
      far.close();
      reads.join();
      EXPECT_EQ(got, "first and last");
    }
  });
}

TEST_F(streams, a_reset_connection_is_a_typed_error_and_then_the_end) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    s.spawn([&far] {
      far.set_reset_on_close();
      far.close();
    });
    std::array<char, 10> data{};
    std::error_code error;
    EXPECT_EQ(near.read_some(std::span<char>(data), error), 0U);
    EXPECT_EQ(error, std::errc::connection_reset);
    EXPECT_EQ(error_of([&near] { near.write_all("x"); }), std::errc::broken_pipe);
  });
}

TEST_F(streams, writing_to_one_that_nobody_reads_is_an_error_not_a_signal) {
  ramie::run([] {
    auto near_and_far = net::socket_pair();
    auto &near = near_and_far.first, &far = near_and_far.second;
    far.close();
    EXPECT_EQ(error_of([&near] { near.write_all("x"); }), std::errc::broken_pipe);
  });
}

TEST_F(streams, two_hundred_connections_at_once) {
  constexpr int clients = 200, rounds = 10;
  int served = 0;
  ramie::run([&] {
    net::listener door("127.0.0.1:0");
    const net::endpoint where = door.local();
    ramie::with_scope([&](ramie::scope& s) {
      s.spawn(
          [&] {
            for (;;) s.spawn([peer = door.accept()]() mutable { echo(std::move(peer)); });
          },
          {.transient = true});
      for (int i = 0; i < clients; ++i) {
        s.spawn([&, i] {
          net::stream peer = net::connect(where);
          for (int round = 0; round < rounds; ++round) {
            const std::string line = std::to_string(i) + "/" + std::to_string(round);
            peer.write_all(line);
            std::string back(line.size(), '\0');
            peer.read_exactly(std::span(back.data(), back.size()));
            ASSERT_EQ(back, line);
            ++served;
          }
        });
      }
    });
  });
  EXPECT_EQ(served, clients * rounds);
}

TEST_F(streams, more_operations_than_a_ring_holds_end_at_once) {
#if defined(__SANITIZE_THREAD__)
  constexpr int pairs = 600;  // half a minute otherwise
#else
  constexpr int pairs = 3000;
#endif
  int ended = 0;
  ramie::run([&](ramie::scope& s) {
    std::vector<std::pair<net::stream, net::stream>> all;
    for (int i = 0; i < pairs; ++i) all.push_back(net::socket_pair());
    ramie::with_scope([&](ramie::scope& inner) {
      for (auto& each : all) inner.spawn([&] { ended += read_text(each.first) == "x" ? 1 : 0; });
      ramie::this_task::sleep_for(5ms);  // all wait
      for (auto& each : all) inner.spawn([&] { each.second.write_all("x"); });
    });
    static_cast<void>(s);
  });
  EXPECT_EQ(ended, pairs);
}

TEST_F(streams, a_writer_waits_for_a_slow_reader_and_nothing_is_lost) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    near.set_send_buffer_bytes(4096);
    std::vector<unsigned char> data(256 << 10);
    std::iota(data.begin(), data.end(), static_cast<unsigned char>(0));
    s.spawn([&] {
      near.write_all(std::as_bytes(std::span(data)));
      near.shutdown_send();
    });
    std::vector<unsigned char> got;
    std::array<std::byte, 30000> piece;
    while (const std::size_t count = far.read_some(piece)) {
      const auto* bytes = reinterpret_cast<const unsigned char*>(piece.data());
      got.insert(got.end(), bytes, bytes + count);
      ramie::this_task::yield();
    }
    EXPECT_TRUE(got == data);
  });
}

TEST_F(streams, pieces_are_gathered_and_scattered) {
  ramie::run([] {
    for (auto make : {&net::socket_pair, &net::pipe_pair}) {
      auto near_and_far = make();
      auto &near = near_and_far.first, &far = near_and_far.second;
      const std::string a = "hello ", b = "world";
      const std::array<net::stream::const_buffer, 3> out = {std::as_bytes(std::span(a)), net::stream::const_buffer(),
                                                            std::as_bytes(std::span(b))};
      std::array<char, 3> c{};
      std::array<char, 20> d{};
      const std::array<net::stream::buffer, 2> in = {std::as_writable_bytes(std::span(c)),
                                                     std::as_writable_bytes(std::span(d))};
      std::error_code error;
      EXPECT_EQ(far.write_some(std::span<const net::stream::const_buffer>(out), error), 11U);
      EXPECT_EQ(near.read_some(std::span<const net::stream::buffer>(in), error), 11U);
      EXPECT_EQ(std::string(c.data(), 3) + d.data(), "hello world");
    }
  });
}

TEST_F(streams, an_empty_buffer_does_not_wait) {
  ramie::run([] {
    auto near_and_far = connected();
    auto& near = near_and_far.first;
    EXPECT_EQ(near.read_some(net::stream::buffer()), 0U);
    EXPECT_EQ(near.write_some(net::stream::const_buffer()), 0U);
  });
}

TEST_F(streams, two_readers_and_a_writer_share_one_stream) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = net::socket_pair();
    auto &near = near_and_far.first, &far = near_and_far.second;
    std::size_t got = 0;
    for (int i = 0; i < 2; ++i) s.spawn([&near, &got] { got += drain(near, 7); });
    s.spawn([&near] { near.write_all("from the same end"); });
    EXPECT_EQ(read_text(far), "from the same end");
    for (int i = 0; i < 100; ++i) {
      far.write_all("0123456789");
      if (i % 3 == 0) ramie::this_task::yield();
    }
    far.close();
    s.join();
    EXPECT_EQ(got, 1000U);
  });
}

TEST_F(streams, a_pipe_parks_its_reader_and_its_writer) {
  ramie::run([](ramie::scope& s) {
    auto reader_and_writer = net::pipe_pair();
    auto &reader = reader_and_writer.first, &writer = reader_and_writer.second;
    s.spawn([&writer] {
      writer.write_all(std::string(200'000, 'x'));
      writer.close();
    });
    EXPECT_EQ(drain(reader), 200'000U);
  });
}

TEST_F(streams, a_descriptor_that_blocks_is_taken_as_it_is) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ramie::run([&](ramie::scope& s) {
    net::stream reader = net::stream::adopt(ends[0]), writer = net::stream::adopt(ends[1]);
    bool others_ran = false;
    s.spawn([&] {
      others_ran = true;
      writer.write_all("late");
    });
    EXPECT_EQ(read_text(reader), "late");
    EXPECT_TRUE(others_ran);
    // More than the pipe holds: the thread must not stand still in write(2).
    s.spawn([&] {
      writer.write_all(std::string(300'000, 'x'));
      writer.close();
    });
    EXPECT_EQ(drain(reader), 300'000U);
  });
}

TEST_F(streams, a_kept_descriptor_is_still_open_afterwards) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ramie::run([&] {
    net::stream writer = net::stream::adopt(ends[1], true);
    writer.write_all("x");
  });
  EXPECT_EQ(::write(ends[1], "y", 1), 1);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(streams, without_a_scheduler_the_thread_blocks) {
  net::listener door("127.0.0.1:0");
  std::thread server([&] { echo(door.accept()); });
  net::stream peer = net::connect(door.local());
  peer.write_all("plain threads");
  EXPECT_EQ(read_text(peer), "plain threads");
  peer.close();
  server.join();
}

TEST_F(streams, a_closed_one_refuses_everything_by_its_own_error) {
  ramie::run([] {
    auto near_and_far = connected();
    auto& near = near_and_far.first;
    near.close();
    EXPECT_FALSE(near.is_open());
    EXPECT_EQ(near.number(), -1);
    EXPECT_EQ(error_of([&near] { near.write_all("x"); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&near] { read_text(near); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&near] { near.shutdown_send(); }), std::errc::bad_file_descriptor);
    net::stream none;
    EXPECT_EQ(error_of([&] { read_text(none); }), std::errc::bad_file_descriptor);
  });
}

TEST_F(streams, ipv6_is_like_ipv4) {
  std::error_code missing;
  net::stream probe = net::connect("[::1]:1", missing);
  if (missing == std::errc::address_family_not_supported || missing == std::errc::address_not_available) {
    std::printf("skipped: IPv6: %s\n", missing.message().c_str());
    GTEST_SKIP();
  }
  ramie::run([](ramie::scope& s) {
    net::listener door("[::1]:0");
    EXPECT_EQ(door.local().family(), net::endpoint::family_kind::ipv6);
    s.spawn([&] { echo(door.accept()); });
    net::stream peer = net::connect(door.local());
    peer.write_all("six");
    EXPECT_EQ(read_text(peer), "six");
    EXPECT_EQ(peer.remote(), door.local());
  });
}

TEST_F(streams, the_addresses_of_both_ends_match) {
  ramie::run([] {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    EXPECT_EQ(near.local(), far.remote());
    EXPECT_EQ(near.remote(), far.local());
    EXPECT_EQ(near.local().text().substr(0, 10), "127.0.0.1:");
  });
}

TEST_F(streams, connecting_where_nobody_listens_names_the_address) {
  ramie::run([] {
    const net::endpoint where = net::listener("127.0.0.1:0").local();
    try {
      static_cast<void>(net::connect(where));
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::connection_refused);
      EXPECT_NE(std::string(error.what()).find(where.text()), std::string::npos) << error.what();
    }
  });
}

}  // namespace
