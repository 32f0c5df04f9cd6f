// Unix sockets, datagrams, names.
#include "io/net_world.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace {

using namespace ramie_test;

class unix_sockets : public net_world {
 protected:
  std::string path = "/tmp/ramie-test-" + std::to_string(getpid()) + ".sock";
  void TearDown() override {
    ::unlink(path.c_str());
    net_world::TearDown();
  }
};

TEST_F(unix_sockets, a_stream_by_a_path_and_by_an_abstract_name) {
  ramie::run([&](ramie::scope& s) {
    for (const std::string& name : {"unix:" + path, "unix:@ramie-test-" + std::to_string(getpid())}) {
      net::listener door(name);
      EXPECT_EQ(door.local().text(), name);
      s.spawn([&door] { door.accept().write_all("hello"); });
      net::stream peer = net::connect(name);
      EXPECT_EQ(read_text(peer), "hello");
    }
  });
}

TEST_F(unix_sockets, the_peer_says_who_it_is) {
  ramie::run([] {
    auto near_and_far = net::socket_pair();
    auto& near = near_and_far.first;
    const net::credentials who = near.peer_credentials();
    EXPECT_EQ(who.process, getpid());
    EXPECT_EQ(who.user, getuid());
    EXPECT_EQ(who.group, getgid());
  });
}

TEST_F(unix_sockets, a_descriptor_travels) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = net::socket_pair();
    auto &near = near_and_far.first, &far = near_and_far.second;
    auto reader_and_writer = net::pipe_pair();
    auto &reader = reader_and_writer.first, &writer = reader_and_writer.second;
    s.spawn([&near, &writer] {
      near.send_descriptor(writer.number());
      writer.close();
      near.write_all("x");
      near.close();
    });
    const int number = far.receive_descriptor();
    EXPECT_NE(fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
    {
      net::stream copy = net::stream::adopt(number);
      copy.write_all("through the copy");
    }
    EXPECT_EQ(read_text(reader), "through the copy");
    EXPECT_EQ(read_text(reader), "");
    EXPECT_EQ(error_of([&far] { static_cast<void>(far.receive_descriptor()); }), std::errc::bad_message);
    EXPECT_EQ(error_of([&far] { static_cast<void>(far.receive_descriptor()); }), std::errc::no_message);
  });
}

TEST_F(unix_sockets, what_happens_to_a_copy_elsewhere_is_nobodys_business_here) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = net::socket_pair();
    auto &near = near_and_far.first, &far = near_and_far.second;
    auto waits = s.spawn([&near] { return ramie::try_for(5ms, [&] { read_text(near); }); });
    EXPECT_FALSE(waits.get());  // watched now
    const int copy = dup(near.number());
    near.close();
    auto other_and_other_far = net::socket_pair();
    auto &other = other_and_other_far.first,
         &other_far = other_and_other_far.second;  // has the number of one that was closed
    far.write_all("for the copy");
    auto reads = s.spawn([&other] { return read_text(other); });
    ramie::this_task::sleep_for(5ms);
    EXPECT_FALSE(reads.done());
    other_far.write_all("for the other");
    EXPECT_EQ(reads.get(), "for the other");
    ::close(copy);
  });
}

TEST_F(unix_sockets, connecting_waits_while_the_line_of_the_listener_is_full) {
  ramie::run([&](ramie::scope& s) {
    net::listener door("unix:" + path, {.backlog = 0});
    for (int i = 0; i < 5; ++i) s.spawn([&] { net::connect("unix:" + path).write_all("x"); });
    ramie::this_task::sleep_for(10ms);
    for (int i = 0; i < 5; ++i) {
      net::stream peer = door.accept();
      EXPECT_EQ(read_text(peer), "x");
    }
  });
}

class datagrams : public net_world {};

TEST_F(datagrams, arrive_whole_and_say_where_they_come_from) {
  ramie::run([](ramie::scope& s) {
    net::datagram one("127.0.0.1:0"), other("127.0.0.1:0");
    s.spawn([&] {
      one.send_to("first", other.local());
      one.send_to("", other.local());
      one.send_to("a long one", other.local());
    });
    std::array<char, 6> data{};
    net::endpoint from;
    EXPECT_EQ(other.receive_from(data, from), 5U);
    EXPECT_EQ(from, one.local());
    EXPECT_EQ(other.receive_from(data, from), 0U);
    EXPECT_EQ(other.receive_from(data, from), 6U);
    EXPECT_FALSE(ramie::try_for(5ms, [&] { other.receive_from(data, from); }));
    one.send_to("later", other.local());
    EXPECT_EQ(other.receive_from(data, from), 5U);
    EXPECT_EQ(std::string(data.data(), 5), "later");
  });
}

TEST_F(datagrams, between_unix_sockets) {
  ramie::run([] {
    const std::string name = "unix:@ramie-datagrams-" + std::to_string(getpid());
    net::datagram one(name + "-1"), other(name + "-2");
    one.send_to("hello", name + "-2");
    std::array<char, 10> data{};
    net::endpoint from;
    EXPECT_EQ(other.receive_from(data, from), 5U);
    EXPECT_EQ(from.text(), name + "-1");
  });
}

TEST(endpoints, are_read_and_written_as_people_do) {
  for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "[::1]:65535", "[fe80::1]:1", "unix:/run/x", "unix:@name"}) {
    EXPECT_EQ(net::endpoint(text).text(), text);
  }
  EXPECT_EQ(net::endpoint("[::1]:8080").port(), 8080);
  EXPECT_EQ(net::endpoint("127.0.0.1:80"), net::endpoint("127.0.0.1:80"));
  EXPECT_FALSE(net::endpoint("127.0.0.1:80") == net::endpoint("127.0.0.1:81"));
  for (const char* text : {"", "80", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:80x", "::1:80",
                           "[127.0.0.1]:80", "localhost:80", "unix:", "[::1]", "1.2.3:80"}) {
    std::error_code error;
    static_cast<void>(net::endpoint::parse(text, error));
    EXPECT_EQ(error, std::errc::invalid_argument) << text;
  }
  std::error_code error;
  static_cast<void>(net::endpoint::parse("unix:" + std::string(200, 'x'), error));
  EXPECT_EQ(error, std::errc::invalid_argument);
  EXPECT_THROW(net::endpoint("nowhere"), std::system_error);
}

}  // namespace
