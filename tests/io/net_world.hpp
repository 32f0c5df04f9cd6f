// Shared by the tests of sockets: pairs of connected streams, and a fixture that finds a descriptor left open.
//
// Each program runs once for each poller, chosen by RAMIE_IO.
#pragma once

#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <random>
#include <string>
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
