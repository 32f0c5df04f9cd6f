// Shared by the tests of sockets: pairs of connected streams, and a fixture that finds a descriptor left open.
//
// Each program runs once for each poller, chosen by RAMIE_IO.
#pragma once

#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace ramie_test {

using namespace std::chrono_literals;
namespace net = ramie::net;

inline std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()));
}

class net_world : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    try {
      ramie::run([] {
        auto [reader, writer] = net::pipe_pair();
        writer.write_all("x");
        char got = 0;
        reader.read_some(std::span(&got, 1));
      });
      works = true;
    } catch (const std::system_error& error) {
      reason = error.what();
    }
  }
  void SetUp() override {
    if (!works) {
      std::printf("skipped: %s: %s\n", std::getenv("RAMIE_IO"), reason.c_str());
      GTEST_SKIP();
    }
    before_ = open_descriptors();
  }
  void TearDown() override {
    if (works) {
      EXPECT_EQ(open_descriptors(), before_) << "a descriptor was left open";
    }
  }

  // Both ends of a TCP connection.
  static std::pair<net::stream, net::stream> connected() {
    net::listener door("127.0.0.1:0");
    net::stream near = net::connect(door.local());
    return {std::move(near), door.accept()};
  }
  static std::uint64_t seed() {
    const char* given = std::getenv("RAMIE_TEST_SEED");
    const std::uint64_t value = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(value));
    return value;
  }

 private:
  static inline bool works = false;
  static inline std::string reason;
  std::size_t before_ = 0;
};

inline std::string read_text(net::stream& from, std::size_t most = 4096) {
  std::string text(most, '\0');
  text.resize(from.read_some(std::span(text.data(), text.size())));
  return text;
}

// Those that were spawned wait now for what they wait for.
inline void let_others_wait() {
  for (int i = 0; i < 3; ++i) ramie::this_task::yield();
}

// Reads to the end; how many bytes there were.
inline std::size_t drain(net::stream& from, std::size_t at_once = 4096) {
  std::size_t total = 0;
  while (const std::size_t got = read_text(from, at_once).size()) total += got;
  return total;
}

inline void echo(net::stream peer) {
  std::array<std::byte, 4096> data;
  while (const std::size_t got = peer.read_some(data)) peer.write_all(std::span<const std::byte>(data).first(got));
}

// Of so many messages to an echo, how many came back.
inline int ping(net::stream& peer, int times) {
  int answered = 0;
  for (int i = 0; i < times; ++i) {
    peer.write_all("ping");
    std::array<char, 4> back{};
    if (peer.read_exactly(back) == back.size() && std::string_view(back.data(), back.size()) == "ping") ++answered;
  }
  return answered;
}

template <class F>
std::error_code error_of(F&& body) {
  try {
    body();
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

}  // namespace ramie_test
