// Every order of an answer, a cancellation and what the other side makes of it, under the fake clock.
#include "park/park.hpp"
#include "poll/choose.hpp"
#include "poll/fake/poller.hpp"

#include <ramie/runtime.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace poll = ramie::poll;
namespace os = ramie::os;
using outcome = poll::fake_poller::outcome;

constexpr int number = 1000;
constexpr std::int64_t ms = 1'000'000;
constexpr ramie::parking::wait_kind receive_wait = {"test receive", &poll::withdraw};

class in_a_written_world : public testing::Test {
 protected:
  struct socket_in_it {
    poll::descriptor* one = poll::descriptor::take(number, {.ours = false});
    socket_in_it() = default;
    socket_in_it(const socket_in_it&) = delete;
    socket_in_it& operator=(const socket_in_it&) = delete;
    ~socket_in_it() {
      one->close();
      one->disown();
    }
  };

  template <class F>
  void run(F&& body) {
    ramie::run(std::forward<F>(body), {.clock = ramie::clock_kind::fake, .io = ramie::io_kind::fake});
  }
  static poll::fake_poller& world() { return static_cast<poll::fake_poller&>(*ramie::sched::poller_here()); }
  int receive(socket_in_it& from) {
    data.fill('\0');
    poll::operation one;
    one.asked.kind = os::io_kind::receive;
    one.asked.memory = data.data();
    one.asked.count = static_cast<std::uint32_t>(data.size());
    one.on = from.one;
    one.kind = &receive_wait;
    return poll::perform(one);
  }
  static std::int64_t now_ms() { return ramie::parking::now_ns() / ms; }
  std::array<char, 16> data{};
};

TEST_F(in_a_written_world, an_operation_ends_when_it_is_written) {
  run([&] {
    socket_in_it here;
    world().script(number, {.after_ns = 5 * ms, .result = 3, .bytes = "abc"});
    world().script(number, {.after_ns = 2 * ms, .result = -ECONNRESET, .bytes = {}});
    EXPECT_EQ(receive(here), 3);
    EXPECT_EQ(std::string(data.data()), "abc");
    EXPECT_EQ(now_ms(), 5);
    EXPECT_EQ(receive(here), -ECONNRESET);
    EXPECT_EQ(now_ms(), 7);
  });
}

TEST_F(in_a_written_world, a_cancelled_one_returns_only_after_the_answer) {
  run([&] {
    socket_in_it here;
    world().script(number, {.after_ns = poll::fake_poller::never, .bytes = {}, .called_off_after_ns = 7 * ms});
    EXPECT_FALSE(ramie::try_for(10ms, [&] { receive(here); }));
    EXPECT_EQ(now_ms(), 17);
  });
}

TEST_F(in_a_written_world, bytes_that_come_while_it_is_called_off_win_and_the_request_stays) {
  run([&] {
    socket_in_it here;
    world().script(number, {.after_ns = 12 * ms, .result = 2, .bytes = "ab", .called_off_after_ns = 5 * ms});
    int got = 0;
    bool went_on = false;
    EXPECT_FALSE(ramie::try_for(10ms, [&] {
      got = receive(here);
      ramie::this_task::check();  // here it is told
      went_on = true;
    }));
    EXPECT_EQ(got, 2);
    EXPECT_FALSE(went_on);
    EXPECT_EQ(now_ms(), 12);
  });
}

TEST_F(in_a_written_world, bytes_and_the_limit_at_the_same_moment) {
  for (std::int64_t called_off_after : {0, 1, 5}) {
    run([&] {
      socket_in_it here;
      world().script(number,
                     {.after_ns = 10 * ms, .result = 2, .bytes = "ab", .called_off_after_ns = called_off_after * ms});
      int got = -1;
      const bool in_time = ramie::try_for(10ms, [&] { got = receive(here); });
      EXPECT_EQ(in_time, got == 2) << called_off_after;
    });
  }
}

TEST_F(in_a_written_world, one_that_was_cancelled_before_it_began_is_asked_back_at_once) {
  run([&](ramie::scope& s) {
    socket_in_it here;
    world().script(number, {.after_ns = 3 * ms, .result = 1, .bytes = "x", .called_off_after_ns = 1 * ms});
    auto reads = s.spawn([&] { receive(here); });
    reads.cancel();
    reads.join();
    EXPECT_EQ(reads.state(), ramie::task_state::cancelled);
    EXPECT_LE(now_ms(), 1);
  });
}

TEST_F(in_a_written_world, a_second_request_does_not_ask_twice) {
  run([&](ramie::scope& s) {
    socket_in_it here;
    world().script(number, {.after_ns = poll::fake_poller::never, .bytes = {}, .called_off_after_ns = 10 * ms});
    auto reads = s.spawn([&] { static_cast<void>(ramie::try_for(5ms, [&] { receive(here); })); });
    ramie::this_task::sleep_for(8ms);
    reads.cancel();
    reads.join();
    EXPECT_EQ(reads.state(), ramie::task_state::cancelled);
    EXPECT_EQ(now_ms(), 15);
  });
}

TEST_F(in_a_written_world, closing_waits_for_nothing_and_the_reader_for_the_answer) {
  run([&](ramie::scope& s) {
    auto here = std::make_unique<socket_in_it>();
    world().script(number, {.after_ns = poll::fake_poller::never, .bytes = {}, .called_off_after_ns = 4 * ms});
    int result = 0;
    auto reads = s.spawn([&, &from = *here] { result = receive(from); });
    ramie::this_task::sleep_for(1ms);
    here.reset();
    EXPECT_EQ(now_ms(), 1);
    reads.join();
    EXPECT_EQ(result, -ECANCELED);
    EXPECT_EQ(now_ms(), 5);
  });
}

TEST_F(in_a_written_world, a_hundred_that_wait_on_one_are_each_told_once_when_it_is_closed) {
  run([&](ramie::scope& s) {
    auto here = std::make_unique<socket_in_it>();
    int told = 0;
    std::vector<ramie::task<void>> all;
    for (int i = 0; i < 100; ++i) {
      world().script(number, {.after_ns = poll::fake_poller::never, .bytes = {}, .called_off_after_ns = i % 7 * ms});
      all.push_back(s.spawn([&, &from = *here] { told += receive(from) == -ECANCELED ? 1 : 0; }));
    }
    ramie::this_task::sleep_for(1ms);
    here->one->close();
    EXPECT_EQ(receive(*here), -EBADF);
    for (auto& each : all) each.join();
    EXPECT_EQ(told, 100);
    EXPECT_EQ(now_ms(), 1 + 6);
  });
}

TEST_F(in_a_written_world, bytes_that_come_while_it_is_being_closed_are_told_and_then_that_it_is_closed) {
  run([&](ramie::scope& s) {
    socket_in_it here;
    world().script(number, {.after_ns = 12 * ms, .result = 2, .bytes = "ab", .called_off_after_ns = 5 * ms});
    auto reads = s.spawn([&] {
      EXPECT_EQ(receive(here), 2);
      EXPECT_EQ(std::string(data.data()), "ab");
      return receive(here);
    });
    ramie::this_task::sleep_for(10ms);
    here.one->close();
    EXPECT_EQ(reads.get(), -EBADF);
    EXPECT_EQ(now_ms(), 12);
  });
}

TEST_F(in_a_written_world, one_that_is_cancelled_and_closed_at_the_same_moment_ends_once) {
  for (const bool close_first : {false, true}) {
    run([&](ramie::scope& s) {
      socket_in_it here;
      world().script(number, {.after_ns = poll::fake_poller::never, .bytes = {}, .called_off_after_ns = 3 * ms});
      int result = 0;
      auto reads = s.spawn([&] { result = receive(here); });
      ramie::this_task::sleep_for(1ms);
      if (close_first) here.one->close();
      reads.cancel();
      if (!close_first) here.one->close();
      reads.join();
      EXPECT_EQ(result, close_first ? -ECANCELED : 0) << "closed first: the cancellation is told at the next wait";
      EXPECT_EQ(reads.state(), close_first ? ramie::task_state::finished : ramie::task_state::cancelled);
      EXPECT_EQ(now_ms(), 4);
    });
  }
}

TEST_F(in_a_written_world, a_file_that_does_not_wait_by_itself_is_waited_for) {
  run([&] {
    socket_in_it here;
    world().script(number, {.after_ns = 0, .result = -EAGAIN, .bytes = {}});
    world().script(number, {.after_ns = 6 * ms, .result = os::readable, .bytes = {}});
    world().script(number, {.after_ns = 0, .result = 1, .bytes = "x"});
    EXPECT_EQ(receive(here), 1);
    EXPECT_EQ(now_ms(), 6);
  });
}

TEST_F(in_a_written_world, a_signal_is_not_an_answer) {
  run([&] {
    socket_in_it here;
    world().script(number, {.after_ns = 1 * ms, .result = -EINTR, .bytes = {}});
    world().script(number, {.after_ns = 1 * ms, .result = 1, .bytes = "x"});
    EXPECT_EQ(receive(here), 1);
  });
}

TEST_F(in_a_written_world, what_a_task_waits_for_has_a_name) {
  EXPECT_THROW(run([&](ramie::scope& s) {
                 socket_in_it here;
                 s.spawn([&] {
                   try {
                     ramie::this_task::sleep_for(1ms);
                   } catch (...) {
                     throw;
                   }
                   throw std::runtime_error("on purpose");
                 });
                 receive(here);
               }),
               std::runtime_error);
}

}  // namespace
