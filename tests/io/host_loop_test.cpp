// A runtime inside of other people's event loops: poll(2), GLib, libuv. They watch one descriptor and set one timer.
//
// Nothing here calls run() or run_once(): no thread of ours is ever started.
#include "io/net_world.hpp"
#include "io/poll_host.hpp"

#include <ramie/channel.hpp>
#include <ramie/event.hpp>
#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <gtest/gtest.h>

#if RAMIE_TEST_GLIB
#include <glib-unix.h>
#include <glib.h>
#endif
#if RAMIE_TEST_LIBUV
#include <uv.h>
#endif

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace net = ramie::net;
using ramie_test::poll_host;
using ramie_test::rounded_up_ms;

#if RAMIE_TEST_GLIB
class glib_host {
 public:
  explicit glib_host(ramie::runtime& app)
      : app_(app), watch_(g_unix_fd_add(app.descriptor(), G_IO_IN, &is_readable, this)) {}
  ~glib_host() {
    g_source_remove(watch_);
    if (timer_ != 0) g_source_remove(timer_);
  }
  glib_host(const glib_host&) = delete;
  glib_host& operator=(const glib_host&) = delete;

  void run_until(const std::function<bool()>& done) {
    while (!done()) g_main_context_iteration(nullptr, TRUE);
  }
  int turns = 0;

 private:
  static gboolean is_readable(gint, GIOCondition, gpointer self) {
    static_cast<glib_host*>(self)->turn();
    return G_SOURCE_CONTINUE;
  }
  static gboolean is_due(gpointer self) {
    auto& here = *static_cast<glib_host*>(self);
    here.timer_ = 0;
    here.turn();
    return G_SOURCE_REMOVE;
  }
  void turn() {
    ++turns;
    const auto due = app_.run_ready();
    if (timer_ != 0) g_source_remove(timer_);
    timer_ = due ? g_timeout_add(static_cast<guint>(rounded_up_ms(*due)), &is_due, this) : 0;
  }

  ramie::runtime& app_;
  const guint watch_;
  guint timer_ = 0;
};
#endif

#if RAMIE_TEST_LIBUV
class uv_host {
 public:
  explicit uv_host(ramie::runtime& app) : app_(app) {
    uv_loop_init(&loop_);
    uv_poll_init(&loop_, &poll_, app.descriptor());
    uv_timer_init(&loop_, &timer_);
    poll_.data = timer_.data = this;
    uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* one, int, int) { static_cast<uv_host*>(one->data)->turn(); });
  }
  ~uv_host() {
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }
  uv_host(const uv_host&) = delete;
  uv_host& operator=(const uv_host&) = delete;

  void run_until(const std::function<bool()>& done) {
    while (!done()) uv_run(&loop_, UV_RUN_ONCE);
  }
  int turns = 0;

 private:
  void turn() {
    ++turns;
    const auto due = app_.run_ready();
    uv_timer_stop(&timer_);
    if (!due) return;
    uv_timer_start(
        &timer_, [](uv_timer_t* one) { static_cast<uv_host*>(one->data)->turn(); },
        static_cast<std::uint64_t>(rounded_up_ms(*due)), 0);
  }

  ramie::runtime& app_;
  uv_loop_t loop_{};
  uv_poll_t poll_{};
  uv_timer_t timer_{};
};
#endif

bool has_thread(const std::string& name) {
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string comm;
    std::getline(std::ifstream(each.path() / "comm"), comm);
    if (comm == name) return true;
  }
  return false;
}

template <class Host>
class host_loop : public testing::Test {
 protected:
  void SetUp() override {
    try {
      // The first of its kind may keep descriptors: what guards stacks, GLib's wake-up.
      ramie::runtime first;
      Host host(first);
      bool ran = false;
      first.post([&] { ran = true; });
      host.run_until([&] { return ran; });
    } catch (const std::system_error& refused) {
      std::printf("skipped: %s: %s\n", std::getenv("RAMIE_IO"), refused.what());
      GTEST_SKIP();
    }
    before_ = descriptors();
  }
  void TearDown() override {
    if (before_ == 0) return;
    EXPECT_FALSE(has_thread("ramie-ticker")) << "a thread of ours";
    EXPECT_EQ(descriptors(), before_) << "a descriptor was left open";
  }

 private:
  static std::ptrdiff_t descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  }
  std::ptrdiff_t before_ = 0;
};

using hosts = testing::Types<poll_host
#if RAMIE_TEST_GLIB
                             ,
                             glib_host
#endif
#if RAMIE_TEST_LIBUV
                             ,
                             uv_host
#endif
                             >;
TYPED_TEST_SUITE(host_loop, hosts);

TYPED_TEST(host_loop, what_was_posted_before_anybody_watched_runs) {
  ramie::runtime app;
  bool ran = false;
  app.post([&] { ran = true; });
  TypeParam host(app);
  host.run_until([&] { return ran; });
}

TYPED_TEST(host_loop, sleeps_end_by_the_hosts_timer) {
  ramie::runtime app;
  TypeParam host(app);
  std::vector<int> order;
  const auto start = std::chrono::steady_clock::now();
  for (int i : {3, 1, 2}) {
    app.post([&order, start, i] {
      ramie::this_task::sleep_until(start + i * 5ms);
      order.push_back(i);
    });
  }
  host.run_until([&] { return order.size() == 3; });
  EXPECT_GE(std::chrono::steady_clock::now() - start, 15ms);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TYPED_TEST(host_loop, posts_of_another_thread_wake_it) {
  ramie::runtime app;
  TypeParam host(app);
  int ran = 0;
  constexpr int posts = 200;
  std::thread sender([&] {
    for (int i = 0; i < posts; ++i) {
      if (i % 20 == 0) std::this_thread::sleep_for(2ms);
      app.post([&] { ++ran; });
    }
  });
  host.run_until([&] { return ran == posts; });
  sender.join();
}

TYPED_TEST(host_loop, channels_of_another_thread_wake_its_tasks) {
  ramie::runtime app;
  TypeParam host(app);
  ramie::channel<int> in(1), out(1);
  bool done = false;
  app.post([&] {
    for (int each : in) out.send(2 * each);
    done = true;
  });
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) {
      in.send(i);
      EXPECT_EQ(out.receive(), 2 * i);
    }
    in.close();
  });
  host.run_until([&] { return done; });
  other.join();
}

TYPED_TEST(host_loop, an_echo_server_serves_threads_and_tasks) {
  ramie::runtime app;
  TypeParam host(app);
  net::listener door("127.0.0.1:0");
  constexpr int clients = 4, rounds = 100;
  int served = 0;
  std::atomic<int> answered = 0;
  app.post([&] {
    ramie::with_scope([&](ramie::scope& s) {
      for (int i = 0; i < 2 * clients; ++i) {
        s.spawn([&served, peer = door.accept()]() mutable {
          ramie_test::echo(std::move(peer));
          ++served;
        });
      }
    });
  });
  const auto ask = [&] {
    net::stream peer = net::connect(door.local());
    answered.fetch_add(ramie_test::ping(peer, rounds));
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back(ask);
    app.post(ask);
  }
  host.run_until([&] { return served == 2 * clients; });
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(answered.load(), 2 * clients * rounds);
}

TYPED_TEST(host_loop, a_task_that_is_always_ready_leaves_the_host_its_turns) {
  ramie::runtime app;
  TypeParam host(app);
  bool stop = false, ended = false;
  app.post([&] {
    while (!stop) ramie::this_task::yield();
    ended = true;
  });
  host.run_until([&] { return host.turns >= 20; });
  stop = true;
  host.run_until([&] { return ended; });
}

TYPED_TEST(host_loop, silence_is_no_turn) {
  ramie::runtime app;
  TypeParam host(app);
  auto ends = net::socket_pair();
  std::string got;
  app.post([&] {
    std::array<char, 16> data{};
    const std::size_t count = ends.first.read_some(std::span(data));
    got.assign(data.data(), count);
  });
  std::thread other([&] {
    std::this_thread::sleep_for(50ms);
    ends.second.write_all("at last");
  });
  host.run_until([&] { return !got.empty(); });
  other.join();
  EXPECT_EQ(got, "at last");
  EXPECT_LE(host.turns, 6) << "of which the first found the post and the last the bytes";
}

TYPED_TEST(host_loop, operations_that_stand_between_two_turns_are_closed_and_cancelled) {
  ramie::runtime app;
  TypeParam host(app);
  auto ends = net::socket_pair();
  std::error_code told;
  bool in_time = true, ended = false;
  app.post([&] {
    std::array<char, 16> data{};
    in_time = ramie::try_for(5ms, [&] { ends.first.read_some(std::span(data)); });
    ends.first.read_some(std::as_writable_bytes(std::span(data)), told);
    ended = true;
  });
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    ends.first.close();
  });
  host.run_until([&] { return ended; });
  other.join();
  EXPECT_FALSE(in_time);
  EXPECT_TRUE(told == std::errc::operation_canceled || told == std::errc::bad_file_descriptor) << told.message();
}

TYPED_TEST(host_loop, what_escapes_a_scope_comes_out_of_the_turn_or_goes_to_the_hook) {
  static std::string said;
  said.clear();
  ramie::runtime app({.unseen_error = [](std::exception_ptr error, const char*) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& what) {
      said = what.what();
    }
  }});
  app.post([] { throw std::runtime_error("from a task"); });
  const auto turn_until = [&](const std::function<bool()>& done) {
    while (!done()) {
      try {
        static_cast<void>(app.run_ready());
      } catch (const std::runtime_error& what) {
        said = what.what();
      }
    }
  };
  turn_until([&] { return !said.empty(); });
  EXPECT_EQ(said, "from a task");
  bool ran = false;  // it goes on
  app.post([&] { ran = true; });
  turn_until([&] { return ran; });
}

TYPED_TEST(host_loop, a_nested_turn_is_refused_in_words) {
  ramie::runtime app;
  TypeParam host(app);
  std::string refused;
  app.post([&] {
    try {
      static_cast<void>(app.run_ready());
    } catch (const std::logic_error& error) {
      refused = error.what();
    }
  });
  host.run_until([&] { return !refused.empty(); });
  EXPECT_NE(refused.find("run_ready inside run"), std::string::npos) << refused;
}

TYPED_TEST(host_loop, a_fake_clock_has_no_host) {
  ramie::runtime app({.clock = ramie::clock_kind::fake});
  EXPECT_THROW(static_cast<void>(app.descriptor()), std::logic_error);
}

}  // namespace
