// What goes wrong around a socket: signals at any moment, tiny pieces, limits, crowds, peers that vanish, a full ring.
#include "io/net_world.hpp"

#include <ramie/channel.hpp>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace ramie_test;

class fault : public net_world {};

std::atomic<int> alarms = 0;

// A signal each millisecond, without SA_RESTART.
class interrupted {
 public:
  interrupted() {
    alarms = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { alarms.fetch_add(1); };
    sigaction(SIGALRM, &action, &before_);
    itimerval often{};
    often.it_interval.tv_usec = often.it_value.tv_usec = 1000;
    setitimer(ITIMER_REAL, &often, nullptr);
  }
  ~interrupted() {
    const itimerval none{};
    setitimer(ITIMER_REAL, &none, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  interrupted(const interrupted&) = delete;
  interrupted& operator=(const interrupted&) = delete;

 private:
  struct sigaction before_ {};
};

std::string pattern(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i % 23 + i / 4096 % 3);
  return text;
}

// Each waits two milliseconds for its other side, so that a signal finds it waiting.
void every_operation() {
  const auto pause = [] { ramie::this_task::sleep_for(2ms); };
  ramie::run([&](ramie::scope& s) {
    const std::string own_name = "unix:@ramie-fault-test-" + std::to_string(getpid());
    for (const std::string& where : {std::string("127.0.0.1:0"), own_name}) {
      net::listener door{net::endpoint(where)};
      auto accepts = s.spawn([&] { return door.accept(); });
      pause();
      net::stream near = net::connect(door.local());
      net::stream far = accepts.get();
      auto reads = s.spawn([&] { return read_text(near); });
      pause();
      far.write_all("read_some");
      EXPECT_EQ(reads.get(), "read_some");
      // A write that waits for room, and a reader that takes its time.
      const std::string much = pattern(1 << 20);
      near.set_send_buffer_bytes(4096);
      auto writes = s.spawn([&] {
        near.write_all(much);
        near.shutdown_send();
      });
      std::string got;
      for (int i = 0;; ++i) {
        if (i % 64 == 0) pause();
        const std::string piece = read_text(far);
        if (piece.empty()) break;
        got += piece;
      }
      writes.join();
      EXPECT_TRUE(got == much) << got.size();
    }
    net::datagram one("127.0.0.1:0"), other("127.0.0.1:0");
    auto receives = s.spawn([&] {
      std::array<char, 16> into{};
      net::endpoint from;
      return std::string(into.data(), one.receive_from(std::span(into), from));
    });
    pause();
    other.send_to("message", one.local());
    EXPECT_EQ(receives.get(), "message");
    auto ends = net::pipe_pair();
    auto reads = s.spawn([&] { return read_text(ends.first); });
    pause();
    ends.second.write_all("pipe");
    EXPECT_EQ(reads.get(), "pipe");
    auto pair = net::socket_pair();
    auto takes = s.spawn([&] { return pair.first.receive_descriptor(); });
    pause();
    pair.second.send_descriptor(0);
    ::close(takes.get());
  });
}

TEST_F(fault, signals_interrupt_no_kind_of_operation) {
  const interrupted each_millisecond;
  for (int i = 0; i < 3; ++i) every_operation();
  EXPECT_GT(alarms.load(), 10);
}

TEST_F(fault, a_thousand_echoes_under_signals) {
  const interrupted each_millisecond;
  net::listener door("127.0.0.1:0");
  std::thread server([&] { ramie::run([&] { echo(door.accept()); }); });
  ramie::run([&] {
    net::stream peer = net::connect(door.local());
    EXPECT_EQ(ping(peer, 1000), 1000);
  });
  server.join();
}

TEST_F(fault, a_peer_that_takes_and_gives_a_byte_at_a_time_through_the_smallest_buffers) {
  ramie::run([](ramie::scope& s) {
    auto ends = net::socket_pair();
    for (net::stream* each : {&ends.first, &ends.second}) {
      each->set_send_buffer_bytes(1);
      each->set_receive_buffer_bytes(1);
    }
    const std::string sent = pattern(20'000);
    s.spawn([&] {
      ends.first.write_all(sent);
      ends.first.shutdown_send();
    });
    s.spawn([&] {
      char one = 0;
      while (ends.second.read_some(std::span(&one, 1)) == 1) ends.second.write_all(std::string_view(&one, 1));
      ends.second.shutdown_send();
    });
    std::string back(sent.size(), '\0');
    EXPECT_EQ(ends.first.read_exactly(std::span(back.data(), back.size())), sent.size());
    EXPECT_TRUE(back == sent);
    s.join();
  });
}

TEST_F(fault, all_connect_at_once) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  constexpr std::size_t wanted = 10'000;
  // Two ends for each.
  std::size_t count = std::min<std::size_t>(wanted, (limit.rlim_cur - 100) / 2);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  count = std::min<std::size_t>(count, 1000);
#endif
  if (count < wanted)
    std::printf("skipped: 10,000 connections: %zu, for the limit of descriptors or a sanitizer's sake\n", count);
  ramie::run([&](ramie::scope& all) {
    net::listener door("127.0.0.1:0");
    int served = 0, answered = 0, resets = 0;
    const auto unless_reset = [&](auto act) {
      try {
        act();
        return true;
      } catch (const std::system_error& failure) {
        if (failure.code() != std::errc::connection_reset || ++resets > 1000) throw;
        return false;
      }
    };
    ramie::with_scope([&](ramie::scope& s) {
      s.spawn(
          [&] {
            for (;;) {
              all.spawn([&, peer = door.accept()]() mutable {
                if (unless_reset([&] { echo(std::move(peer)); })) ++served;
              });
            }
          },
          {.transient = true});
      for (std::size_t i = 0; i < count; ++i) {
        s.spawn([&] {
          // A kernel whose line is full answers with cookies, keeps nothing, and may reset who was answered so.
          while (!unless_reset([&] {
            net::stream peer = net::connect(door.local());
            answered += ping(peer, 1);
          })) {
          }
        });
      }
    });
    all.join();
    EXPECT_EQ(answered, static_cast<int>(count));
    EXPECT_GE(served, static_cast<int>(count));
    EXPECT_LE(served, static_cast<int>(count) + resets);
  });
}

TEST_F(fault, a_half_open_peer_reads_on_and_one_that_says_nothing_costs_only_its_time) {
  ramie::run([] {
    auto ends = connected();
    ends.first.shutdown_send();
    EXPECT_EQ(read_text(ends.second), "");
    ends.second.write_all("still there");
    EXPECT_EQ(read_text(ends.first), "still there");
    auto silent = connected();
    EXPECT_FALSE(ramie::try_for(5ms, [&] { read_text(silent.first); }));
  });
}

void reset(net::stream& one) {
  one.set_reset_on_close();
  one.close();
}

TEST_F(fault, a_reset_in_the_middle_of_a_write_and_of_a_read_is_told_to_both) {
  ramie::run([](ramie::scope& s) {
    for (int round = 0; round < 20; ++round) {
      auto ends = connected();
      auto &near = ends.first, &far = ends.second;
      near.set_send_buffer_bytes(4096);
      std::size_t sent = 0;
      const std::string much = pattern(8 << 20);
      auto writes = s.spawn([&] {
        std::error_code error;
        sent = near.write_all(std::as_bytes(std::span(much)), error);
        return error;
      });
      auto reads = s.spawn([&] { return error_of([&] { read_text(near); }); });
      for (int i = 0; i < 3; ++i) read_text(far);
      if (round % 2 == 0) ramie::this_task::sleep_for(1ms);
      reset(far);
      const std::error_code told = writes.get(), told_too = reads.get();
      EXPECT_TRUE(told == std::errc::connection_reset || told == std::errc::broken_pipe) << told.message();
      EXPECT_LT(sent, much.size());
      // The error of a socket is told once: the other of the two sees its end.
      EXPECT_TRUE(!told_too || told_too == std::errc::connection_reset) << told_too.message();
    }
  });
}

// The batch holds 256, the answers 2,048: all of it is exceeded twice.
TEST_F(fault, more_operations_than_the_ring_holds_all_wait_and_all_end) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t count = std::min<std::size_t>(5000, (limit.rlim_cur - 100) / 2);
  if (count < 5000) std::printf("skipped: 5,000 operations at once: the limit of descriptors allows %zu\n", count);
  ramie::run([&](ramie::scope& s) {
    std::vector<std::pair<net::stream, net::stream>> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(net::socket_pair());
    std::size_t ended = 0;
    std::vector<ramie::task<void>> readers;
    for (auto& each : all) {
      readers.push_back(s.spawn([&] {
        EXPECT_EQ(read_text(each.first, 4), "x");
        ++ended;
      }));
    }
    ramie::this_task::sleep_for(5ms);
    // All answers at once, without a look between: the ring cannot hold them.
    for (auto& each : all) ASSERT_EQ(::write(each.second.number(), "x", 1), 1);
    s.join();
    EXPECT_EQ(ended, count);
    // And all called off at once.
    EXPECT_FALSE(ramie::try_for(5ms, [&] {
      ramie::with_scope([&](ramie::scope& inner) {
        for (auto& each : all) inner.spawn([&] { read_text(each.first); });
      });
    }));
  });
}

// The memory is given back as soon as the call has returned, and written to by its next owner: AddressSanitizer and the
// canary would both see the kernel in it.
TEST_F(fault, the_memory_of_a_cancelled_call_is_never_touched_again) {
  std::mt19937_64 random(seed());
  ramie::run([&] {
    auto ends = connected();
    auto &near = ends.first, &far = ends.second;
    std::vector<std::unique_ptr<std::array<std::byte, 256>>> canaries;
    std::size_t sent = 0, got = 0;
    for (int i = 0; i < 300; ++i) {
      auto memory = std::make_unique<std::array<std::byte, 256>>();
      std::size_t count = 0;
      const bool writes = random() % 2 == 0;
      static_cast<void>(ramie::try_for(std::chrono::microseconds(random() % 100), [&] {
        if (writes) {
          far.write_all("12345678");
          sent += 8;
        }
        count = near.read_some(*memory);
      }));
      got += count;
      memory->fill(std::byte{0xC5});
      if (canaries.size() == 16) canaries.erase(canaries.begin());
      canaries.push_back(std::move(memory));
      far.write_all("later");
      sent += 5;
      ramie::this_task::sleep_for(50us);
      for (const auto& each : canaries) {
        ASSERT_TRUE(std::all_of(each->begin(), each->end(), [](std::byte one) { return one == std::byte{0xC5}; }));
      }
      got += near.read_some(*std::make_unique<std::array<std::byte, 256>>());
    }
    far.shutdown_send();
    std::array<std::byte, 4096> rest;
    while (const std::size_t more = near.read_some(rest)) got += more;
    EXPECT_EQ(got, sent);
  });
}

TEST_F(fault, a_thread_that_blocks_is_woken_by_a_close_from_another) {
  for (int round = 0; round < 20; ++round) {
    net::listener door("127.0.0.1:0");
    auto ends = net::socket_pair();
    auto pipe = net::pipe_pair();
    std::atomic<int> told = 0;
    const auto blocks = [&told](auto&& call) {
      return std::thread([&told, call] {
        const std::error_code error = error_of(call);
        if (error == std::errc::operation_canceled || error == std::errc::bad_file_descriptor) told.fetch_add(1);
      });
    };
    std::vector<std::thread> threads;
    threads.push_back(blocks([&] { static_cast<void>(door.accept()); }));
    threads.push_back(blocks([&] { read_text(ends.first); }));
    threads.push_back(blocks([&] { read_text(ends.first); }));
    threads.push_back(blocks([&] { read_text(pipe.first); }));
    if (round % 2 == 0) std::this_thread::sleep_for(1ms);
    door.close();
    ends.first.close();
    pipe.first.close();
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(told.load(), 4);
  }
}

}  // namespace
