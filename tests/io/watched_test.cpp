// A runtime that a host begins to watch after it has run by itself, with operations in flight.
#include "fiber/forked.hpp"
#include "io/net_world.hpp"
#include "io/poll_host.hpp"

#include <ramie/net.hpp>

#include <gtest/gtest.h>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace net = ramie::net;
using ramie_test::echo;
using ramie_test::poll_host;

// What is in flight when a host begins to watch goes on: nothing is lost, doubled or called off by it.
TEST(watched, what_was_in_flight_before_anybody_watched_goes_on) {
  ramie::runtime app;
  auto reads = net::socket_pair(), writes = net::socket_pair(), cancelled = net::socket_pair();
  net::listener door("127.0.0.1:0");
  constexpr std::size_t much_bytes = 4 << 20;
  std::string got;
  std::size_t written = 0, taken = 0;
  int accepted = 0, ended = 0;
  ramie::task<void> to_go;
  app.post([&] {
    ramie::with_scope([&](ramie::scope& s) {
      for (int i = 0; i < 3; ++i) {
        s.spawn([&] {
          std::array<char, 8> data;
          got.append(data.data(), reads.first.read_some(std::span<char>(data)));
          ++ended;
        });
      }
      s.spawn([&] {
        writes.first.write_all(std::vector<std::byte>(much_bytes));
        written = much_bytes;
        ++ended;
      });
      for (int i = 0; i < 2; ++i) {
        s.spawn([&] {
          net::stream peer = door.accept();
          ++accepted;
          echo(std::move(peer));
          ++ended;
        });
      }
      to_go = s.spawn([&] {
        std::array<std::byte, 8> data;
        cancelled.first.read_some(data);
      });
    });
    ++ended;
  });
  EXPECT_FALSE(app.run_once(5ms));
  poll_host host(app);
  // Turns with nothing to do, then each in turn.
  app.post([&] {
    ramie::this_task::sleep_for(2ms);
    to_go.cancel();
    for (char letter : {'a', 'b', 'c'}) {
      reads.second.write_all(std::string_view(&letter, 1));
      ramie::this_task::sleep_for(1ms);
    }
    std::vector<std::byte> data(64 << 10);
    while (taken < much_bytes) taken += writes.second.read_some(data);
    for (int i = 0; i < 2; ++i) {
      net::stream peer = net::connect(door.local());
      peer.write_all("ping");
      std::array<char, 4> answer;
      peer.read_exactly(std::as_writable_bytes(std::span(answer)));
      EXPECT_EQ(std::string_view(answer.data(), 4), "ping");
    }
    ++ended;
  });
  host.run_until([&] { return ended == 8; });
  EXPECT_EQ(got, "abc");
  EXPECT_EQ(written, taken);
  EXPECT_EQ(accepted, 2);
  EXPECT_EQ(to_go.state(), ramie::task_state::cancelled);
  EXPECT_EQ(app.descriptor(), app.descriptor());
}

// In a forked child nothing of the parent's poller may be touched, whoever asks first.
TEST(watched, a_child_may_begin_to_watch_what_its_parent_has_run) {
  if (!ramie_test::children_start_threads()) GTEST_SKIP();
  ramie::runtime app;
  auto silent = net::socket_pair();
  app.post([&] {
    std::error_code error;
    std::array<std::byte, 8> data;
    silent.first.read_some(data, error);
  });
  EXPECT_FALSE(app.run_once(5ms));
  EXPECT_EQ(ramie_test::code_of_child([&] {
              poll_host host(app);
              auto ends = net::socket_pair();
              std::string got;
              app.post([&] {
                std::array<char, 8> data;
                got.assign(data.data(), ends.first.read_some(std::span<char>(data)));
              });
              app.post([&] { ends.second.write_all("child"); });
              host.run_until([&] { return !got.empty(); });
              return got == "child" ? 0 : 1;
            }),
            0);
  silent.second.close();
  EXPECT_TRUE(app.run_once(1s));
}

}  // namespace
