// Names: what needs no name server; and, in a network of our own that names_world.py makes, what a zone answers.
#include "io/name.hpp"
#include "io/net_world.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace ramie_test {
namespace {

class names_test : public net_world {};

std::vector<std::string> texts(const std::vector<net::endpoint>& of) {
  std::vector<std::string> result;
  for (const net::endpoint& one : of) result.push_back(one.text());
  return result;
}

TEST_F(names_test, numeric_addresses_are_answered_on_the_calling_thread) {
  const auto ask = [] {
    EXPECT_EQ(texts(net::resolve("127.0.0.1:80")), std::vector<std::string>{"127.0.0.1:80"});
    EXPECT_EQ(texts(net::resolve("0.0.0.0:0")), std::vector<std::string>{"0.0.0.0:0"});
    EXPECT_EQ(texts(net::resolve("[::1]:80")), std::vector<std::string>{"[::1]:80"});
    EXPECT_EQ(texts(net::resolve("::1", "80")), std::vector<std::string>{"[::1]:80"});
    EXPECT_EQ(texts(net::resolve("::", 80)), std::vector<std::string>{"[::]:80"});
  };
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
  };
  const auto before = threads();
  ask();
  EXPECT_EQ(threads(), before);
  ramie::run(ask);
}

TEST_F(names_test, what_is_no_name_and_port_is_refused_before_anybody_is_asked) {
  for (const char* text : {"", "name", "name:", ":80", "::1:80", "[name]:80", "[]:80"})
    EXPECT_EQ(error_of([&] { (void)net::resolve(text); }), std::errc::invalid_argument) << text;
  EXPECT_EQ(error_of([&] { (void)net::resolve(std::string_view("a\0b", 3), "80"); }), std::errc::invalid_argument);
  EXPECT_EQ(error_of([&] { (void)net::resolve("", 80); }), std::errc::invalid_argument);
  EXPECT_EQ(error_of([&] { (void)net::connect("nowhere"); }), std::errc::invalid_argument);
}

// The C library takes 70000 for 4464, and spaces and signs for nothing.
TEST_F(names_test, a_port_that_is_none_is_refused_and_not_taken_for_another) {
  for (const char* service : {"65536", "70000", "4294967376", "99999999999999999999", "-1", "+80", " 80", "\t80"}) {
    for (const char* host : {"127.0.0.1", "localhost", "::1"})
      EXPECT_EQ(error_of([&] { (void)net::resolve(host, service); }), std::errc::invalid_argument) << host << service;
  }
  EXPECT_EQ(error_of([] { (void)net::connect("localhost:70000"); }), std::errc::invalid_argument);
  EXPECT_EQ(net::resolve("127.0.0.1", "65535").front(), net::endpoint("127.0.0.1:65535"));
  EXPECT_EQ(net::resolve("127.0.0.1", "00080").front(), net::endpoint("127.0.0.1:80"));
}

TEST_F(names_test, a_service_that_does_not_exist_is_an_error_in_the_librarys_words) {
  ramie::run([] {
    try {
      (void)net::resolve("127.0.0.1:no-such-service");
      FAIL();
    } catch (const std::system_error& error) {
      EXPECT_EQ(&error.code().category(), &net::name_category());
      EXPECT_EQ(error.code(), net::name_errc::no_such_service);
      EXPECT_NE(std::strstr(error.what(), "127.0.0.1:no-such-service"), nullptr) << error.what();
      EXPECT_NE(std::strstr(error.what(), error.code().message().c_str()), nullptr) << error.what();
    }
  });
  EXPECT_EQ(std::error_code(net::name_errc::try_again), std::errc::resource_unavailable_try_again);
}

TEST_F(names_test, families_take_turns) {
  const std::vector<net::endpoint> found = {"[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"};
  EXPECT_EQ(texts(net::interleaved(found)),
            (std::vector<std::string>{"[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"}));
  const std::vector<net::endpoint> more = {"1.0.0.1:1", "[::1]:1", "[::2]:1", "[::3]:1"};
  EXPECT_EQ(texts(net::interleaved(more)), (std::vector<std::string>{"1.0.0.1:1", "[::1]:1", "[::2]:1", "[::3]:1"}));
  EXPECT_TRUE(net::interleaved({}).empty());
}

TEST_F(names_test, connect_takes_literals_strings_views_and_endpoints) {
  ramie::run([] {
    net::listener door("127.0.0.1:0");
    const std::string text = door.local().text();
    std::error_code error;
    EXPECT_TRUE(net::connect(text).is_open());
    EXPECT_TRUE(net::connect(text.c_str()).is_open());
    EXPECT_TRUE(net::connect(std::string_view(text)).is_open());
    EXPECT_TRUE(net::connect(door.local()).is_open());
    EXPECT_TRUE(net::connect(text, error).is_open());
    EXPECT_TRUE(net::connect(door.local(), error).is_open());
    door.close();
    EXPECT_FALSE(net::connect("127.0.0.1:1", error).is_open());
    EXPECT_EQ(error, std::errc::connection_refused);
  });
}

// With a name server on 127.0.0.1 of whose zone names_world.py knows, and "::1 127.0.0.1 both.test" in the hosts file.
class zone_test : public net_world {
 protected:
  void SetUp() override {
    net_world::SetUp();
    if (testing::Test::IsSkipped()) return;
    if (std::getenv("RAMIE_TEST_ZONE") == nullptr) {
      std::printf("skipped: names of a zone: no network of our own\n");
      GTEST_SKIP();
    }
  }
  // Both loopback addresses with one port; that of ::1 takes no connection any more: its line is full, and who knocks
  // gets no answer.
  struct half_dead {
    net::listener dead, live;
    std::vector<net::stream> line;
    std::uint16_t port = 0;
    half_dead() {
      do {
        dead = net::listener("[::1]:0", {.backlog = 0});
        port = dead.local().port();
        std::error_code taken;
        try {
          live = net::listener(("127.0.0.1:" + std::to_string(port)).c_str());
        } catch (const std::system_error&) {
          continue;
        }
      } while (!live.is_open());
      while (auto one = ramie::try_for(200ms, [&] { return net::connect(dead.local()); }))
        line.push_back(std::move(*one));
    }
    [[nodiscard]] std::string name() const { return "both.test:" + std::to_string(port); }
  };
  // The sockets of abandoned questions are closed when it has given up: in a second, as resolv.conf tells it.
  static void wait_for_the_c_library(std::size_t descriptors) {
    while (open_descriptors() > descriptors) std::this_thread::sleep_for(5ms);
  }
};

TEST_F(zone_test, a_name_is_looked_up_in_a_zone_in_both_families) {
  const auto ask = [] {
    EXPECT_EQ(texts(net::resolve("four.example.test:80")), std::vector<std::string>{"192.0.2.4:80"});
    EXPECT_EQ(texts(net::resolve("six.example.test", "http")), std::vector<std::string>{"[2001:db8::6]:80"});
    auto both = texts(net::resolve("two.example.test:443"));
    std::sort(both.begin(), both.end());
    EXPECT_EQ(both, (std::vector<std::string>{"192.0.2.2:443", "[2001:db8::2]:443"}));
  };
  ask();
  ramie::run([&] {
    bool others_run = false;
    ramie::with_scope([&](ramie::scope& s) {
      s.spawn([&] { ask(); });
      s.spawn([&] { others_run = true; });
    });
    EXPECT_TRUE(others_run);
  });
}

TEST_F(zone_test, a_name_that_is_not_there_is_told_from_a_server_that_refuses) {
  ramie::run([] {
    EXPECT_EQ(error_of([] { (void)net::resolve("nobody.example.test:80"); }), net::name_errc::not_found);
    EXPECT_EQ(error_of([] { (void)net::connect("nobody.example.test:80"); }), net::name_errc::not_found);
    const std::error_code refused = error_of([] { (void)net::resolve("name.refused.test:80"); });
    EXPECT_TRUE(refused == net::name_errc::failed || refused == net::name_errc::try_again) << refused.message();
  });
}

TEST_F(zone_test, a_silent_server_is_left_at_the_deadline_and_others_are_answered_meanwhile) {
  const std::size_t before = open_descriptors();
  ramie::run([] {
    ramie::with_scope([](ramie::scope& s) {
      for (int i = 0; i < 20; ++i) {
        s.spawn([] {
          EXPECT_THROW(ramie::with_timeout(50ms, [] { (void)net::connect("name.silent.test:80"); }), ramie::timed_out);
        });
      }
      s.spawn([] { EXPECT_EQ(net::resolve("four.example.test:80").size(), 1U); });
    });
  });
  EXPECT_GT(open_descriptors(), before) << "nothing was left behind: the tasks have waited for the C library";
  wait_for_the_c_library(before);
}

TEST_F(zone_test, a_silent_server_is_an_error_when_the_c_library_gives_up) {
  ramie::run([] { EXPECT_EQ(error_of([] { (void)net::resolve("name.silent.test:80"); }), net::name_errc::try_again); });
}

TEST_F(zone_test, a_program_ends_while_a_question_that_it_has_left_is_still_asked) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ramie::run([] {
          if (ramie::try_for(20ms, [] { (void)net::resolve("name.silent.test:80"); })) std::_Exit(1);
        });
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(zone_test, a_cancelled_task_leaves_its_question_behind) {
  const std::size_t before = open_descriptors();
  ramie::run([](ramie::scope& s) {
    auto asker = s.spawn([] { (void)net::resolve("name.silent.test:80"); });
    ramie::this_task::sleep_for(20ms);
    asker.cancel();
    asker.join();
    EXPECT_EQ(asker.state(), ramie::task_state::cancelled);
  });
  wait_for_the_c_library(before);
}

TEST_F(zone_test, a_dead_first_address_does_not_keep_the_second_from_answering) {
  ramie::run([] {
    half_dead server;
    const auto found = net::resolve(server.name());
    ASSERT_EQ(found.size(), 2U);
    ASSERT_EQ(found.front().family(), net::endpoint::family_kind::ipv6);
    const std::size_t before = open_descriptors();
    net::stream peer = net::connect(server.name());
    EXPECT_EQ(peer.remote().family(), net::endpoint::family_kind::ipv4);
    net::stream other = server.live.accept();
    peer.write_all("x");
    EXPECT_EQ(read_text(other), "x");
    EXPECT_EQ(open_descriptors(), before + 2) << "the attempt that lost was not closed";
  });
}

TEST_F(zone_test, connecting_by_name_is_called_off_with_all_its_attempts) {
  ramie::run([] {
    half_dead server;
    server.live.close();
    server.live = net::listener();
    const std::size_t before = open_descriptors();
    EXPECT_THROW(ramie::with_timeout(400ms, [&] { (void)net::connect(server.name()); }), ramie::timed_out);
    EXPECT_EQ(open_descriptors(), before);
  });
}

TEST_F(zone_test, when_all_addresses_fail_each_is_named) {
  const auto ask = [] {
    try {
      (void)net::connect("both.test:1");
      FAIL();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::connection_refused);
      const std::string text = error.what();
      EXPECT_NE(text.find("both.test:1"), std::string::npos) << text;
      EXPECT_NE(text.find("[::1]:1: Connection refused"), std::string::npos) << text;
      EXPECT_NE(text.find("127.0.0.1:1: Connection refused"), std::string::npos) << text;
    }
  };
  ramie::run(ask);
  ask();
}

TEST_F(zone_test, without_a_scheduler_addresses_are_tried_in_turn) {
  net::listener door("127.0.0.1:0");
  const net::stream peer = net::connect("both.test:" + std::to_string(door.local().port()));
  EXPECT_EQ(peer.remote(), door.local());
}

}  // namespace
}  // namespace ramie_test
