// Descriptors that others have made, taken over: several times, and of other kinds than those made here.
#include "io/net_world.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace {

using namespace ramie_test;

class taken_over : public net_world {};

// One task has it to read, another to write: neither knows of the other.
TEST_F(taken_over, one_number_twice_and_the_end_of_one_leaves_the_other_its_wait) {
  const auto ends = net::socket_pair();
  ramie::run([&](ramie::scope& s) {
    net::stream peer = net::stream::adopt(ends.second.number(), true);
    auto reads = s.spawn([&] {
      net::stream reader = net::stream::adopt(ends.first.number(), true);
      return read_text(reader);
    });
    ramie::this_task::sleep_for(1ms);
    {
      net::stream writer = net::stream::adopt(ends.first.number(), true);
      const std::string more_than_fits(1 << 20, 'x');
      std::size_t done = 0;
      EXPECT_FALSE(ramie::try_for(5ms, [&] { writer.write_all(more_than_fits, done); }));
    }
    ramie::this_task::sleep_for(1ms);
    peer.write_all("hello");
    EXPECT_TRUE(ramie::try_for(10s, [&] { reads.join(); }));
    if (!reads.done()) reads.cancel();
    reads.join();
    if (reads.state() == ramie::task_state::finished) {
      EXPECT_EQ(reads.get(), "hello");
    }
  });
}

std::pair<int, int> connected_datagrams() {
  const int numbers[] = {::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                         ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_in places[2] = {};
  for (int i = 0; i < 2; ++i) {
    places[i].sin_family = AF_INET;
    places[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof places[i];
    EXPECT_EQ(::bind(numbers[i], reinterpret_cast<sockaddr*>(&places[i]), size), 0);
    EXPECT_EQ(::getsockname(numbers[i], reinterpret_cast<sockaddr*>(&places[i]), &size), 0);
  }
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(::connect(numbers[i], reinterpret_cast<sockaddr*>(&places[1 - i]), sizeof places[0]), 0);
  return {numbers[0], numbers[1]};
}

// A read that does not fill its buffer has not emptied it, as it has with TCP.
TEST_F(taken_over, connected_datagrams_that_came_together_are_read_one_by_one) {
  const auto [near_number, far_number] = connected_datagrams();
  ramie::run([&, near_number = near_number, far_number = far_number](ramie::scope& s) {
    net::stream near = net::stream::adopt(near_number), far = net::stream::adopt(far_number);
    std::string all;
    auto reads = s.spawn([&] {
      while (all.size() < 12) all += read_text(near);
    });
    ramie::this_task::sleep_for(1ms);
    for (const char* one : {"one", "two", "six", "ten"}) far.write_all(one);
    EXPECT_TRUE(ramie::try_for(10s, [&] { reads.join(); }));
    reads.cancel();
    reads.join();
    EXPECT_EQ(all, "onetwosixten");
    EXPECT_EQ(error_of([&] { near.set_no_delay(); }), std::errc::operation_not_supported);
  });
}

}  // namespace
