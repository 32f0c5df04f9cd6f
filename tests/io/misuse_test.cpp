// What people do to streams, listeners and datagrams that nobody meant them to: a typed error or a plain result each
// time, on both pollers, and nothing left behind.
#include "io/net_world.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace {

using namespace ramie_test;

class misuse : public net_world {};

constexpr std::errc not_open = std::errc::bad_file_descriptor;

TEST_F(misuse, what_was_moved_away_is_like_one_that_never_was) {
  ramie::run([] {
    auto ends = connected();
    net::stream taken = std::move(ends.first);
    net::stream& gone = ends.first;  // NOLINT(bugprone-use-after-move): that is the case
    std::error_code error;
    std::array<std::byte, 4> into{};
    EXPECT_EQ(gone.read_some(into, error), 0U);
    EXPECT_EQ(error, not_open);
    EXPECT_EQ(gone.write_all(into, error), 0U);
    EXPECT_EQ(error, not_open);
    EXPECT_EQ(gone.read_exactly(into, error), 0U);
    EXPECT_EQ(error, not_open);
    EXPECT_EQ(error_of([&] { gone.shutdown_send(); }), not_open);
    EXPECT_EQ(error_of([&] { gone.set_no_delay(); }), not_open);
    EXPECT_FALSE(gone.is_open());
    gone.close();
    gone.close();
    net::listener none;
    EXPECT_FALSE(none.accept(error).is_open());
    EXPECT_EQ(error, not_open);
    net::datagram nobody;
    net::endpoint from;
    EXPECT_EQ(error_of([&] { nobody.receive_from(into, from); }), not_open);
    EXPECT_EQ(error_of([&] { nobody.send_to("x", "127.0.0.1:9"); }), not_open);
    taken.write_all("x");
    EXPECT_EQ(read_text(ends.second), "x");
    net::stream& same = taken;
    taken = std::move(same);
    EXPECT_TRUE(taken.is_open());
  });
}

TEST_F(misuse, an_error_code_of_before_is_cleared_by_success) {
  ramie::run([] {
    auto ends = connected();
    std::error_code error = std::make_error_code(std::errc::io_error);
    std::array<std::byte, 4> into{};
    EXPECT_EQ(ends.first.write_some(into, error), 4U);
    EXPECT_FALSE(error);
    error = std::make_error_code(std::errc::io_error);
    EXPECT_EQ(ends.second.read_exactly(into, error), 4U);
    EXPECT_FALSE(error);
    error = std::make_error_code(std::errc::io_error);
    EXPECT_EQ(ends.second.read_some(net::stream::buffer(), error), 0U);
    EXPECT_FALSE(error);
    // Text too.
    std::array<char, 4> text{};
    EXPECT_EQ(ends.first.write_all("te", error), 2U);
    EXPECT_EQ(ends.first.write_some("xt", error), 2U);
    EXPECT_EQ(ends.second.read_exactly(std::span<char>(text), error), 4U);
    EXPECT_EQ(std::string_view(text.data(), 4), "text");
  });
}

TEST_F(misuse, destroying_one_that_tasks_are_in_calls_of_wakes_them) {
  const auto is_told = [](const std::error_code& told) { return told == std::errc::operation_canceled; };
  ramie::run([&](ramie::scope& s) {
    const std::string much(16 << 20, 'x');
    for (int turns = 0; turns < 8; ++turns) {
      auto ends = connected();
      auto near = std::make_unique<net::stream>(std::move(ends.first));
      auto reads = s.spawn([&] { return error_of([&] { read_text(*near); }); });
      auto reads_all = s.spawn([&] {
        std::array<char, 100> into{};
        return error_of([&] { near->read_exactly(into); });
      });
      auto writes = s.spawn([&] { return error_of([&] { near->write_all(much); }); });
      for (int i = 0; i <= turns; ++i) ramie::this_task::yield();
      near.reset();
      EXPECT_TRUE(is_told(reads.get()));
      EXPECT_TRUE(is_told(reads_all.get()));
      EXPECT_TRUE(is_told(writes.get()));
      auto door = std::make_unique<net::listener>("127.0.0.1:0");
      auto accepts = s.spawn([&] { return error_of([&] { static_cast<void>(door->accept()); }); });
      ramie::this_task::yield();
      door.reset();
      EXPECT_TRUE(is_told(accepts.get()));
    }
  });
}

// A call may let others run before it begins to wait: when the task's reductions are used up just there.
TEST_F(misuse, destroying_one_whose_callers_turn_ends_at_the_beginning_of_the_call_is_told) {
  ramie::run([](ramie::scope& s) {
    for (int reductions = 3980; reductions <= 4000; ++reductions) {
      auto ends = net::socket_pair();
      auto near = std::make_unique<net::stream>(std::move(ends.first));
      std::optional<std::error_code> told;
      auto reads = s.spawn([&] {
        ramie::this_task::reduce(reductions);
        if (near != nullptr) told = error_of([&] { read_text(*near); });
      });
      auto destroys = s.spawn([&] { near.reset(); });
      reads.join();
      destroys.join();
      if (told) {
        EXPECT_EQ(*told, std::errc::operation_canceled) << reductions;
      }
    }
  });
}

// Also where the other end's closing, or bytes that went out meanwhile, are seen first.
TEST_F(misuse, who_waits_when_both_ends_are_closed_is_told_that_it_was_closed) {
  ramie::run([](ramie::scope& s) {
    const std::string much(16 << 20, 'x');
    for (int turns = 0; turns < 20; ++turns) {
      auto ends = turns % 2 == 0 ? connected() : net::socket_pair();
      auto reads = s.spawn([&] { return error_of([&] { read_text(ends.first); }); });
      auto writes = s.spawn([&] { return error_of([&] { ends.first.write_all(much); }); });
      let_others_wait();
      if (turns % 4 < 2) static_cast<void>(read_text(ends.second, 1 << 20));
      ends.first.close();
      ends.second.close();
      EXPECT_EQ(reads.get(), std::errc::operation_canceled);
      EXPECT_EQ(writes.get(), std::errc::operation_canceled);
    }
  });
}

TEST_F(misuse, giving_a_waited_one_another_connection_ends_the_wait_and_moving_it_away_does_not) {
  ramie::run([](ramie::scope& s) {
    auto first = net::socket_pair(), second = net::socket_pair();
    net::stream here = std::move(first.first);
    auto reads = s.spawn([&] { return error_of([&] { read_text(here); }); });
    let_others_wait();
    here = std::move(second.first);
    EXPECT_EQ(reads.get(), std::errc::operation_canceled);
    EXPECT_EQ(read_text(first.second), "") << "the other end was told";
    auto reads_on = s.spawn([&] { return read_text(here); });
    let_others_wait();
    net::stream elsewhere = std::move(here);
    second.second.write_all("still for the one that waits");
    EXPECT_EQ(reads_on.get(), "still for the one that waits");
  });
}

TEST_F(misuse, a_listener_closed_while_a_hundred_tasks_accept_tells_each_once) {
  ramie::run([](ramie::scope& s) {
    const std::string own_name = "unix:@ramie-misuse-" + std::to_string(getpid());
    for (const std::string& where : {std::string("127.0.0.1:0"), own_name}) {
      net::listener door{net::endpoint(where)};
      int told = 0;
      std::vector<ramie::task<void>> all;
      for (int i = 0; i < 100; ++i) {
        all.push_back(s.spawn([&] {
          std::error_code error;
          const net::stream peer = door.accept(error);
          EXPECT_FALSE(peer.is_open());
          EXPECT_EQ(error, std::errc::operation_canceled);
          ++told;
        }));
      }
      let_others_wait();
      door.close();
      for (auto& each : all) each.join();
      EXPECT_EQ(told, 100);
      EXPECT_EQ(error_of([&] { static_cast<void>(door.accept()); }), not_open);
    }
  });
}

TEST_F(misuse, a_listener_closed_by_another_thread_under_a_hundred_tasks) {
  net::listener door("127.0.0.1:0");
  std::thread closer;
  int told = 0;
  ramie::run([&](ramie::scope& s) {
    for (int i = 0; i < 100; ++i) {
      s.spawn([&] {
        std::error_code error;
        static_cast<void>(door.accept(error));
        told += error == std::errc::operation_canceled ? 1 : 0;
      });
    }
    let_others_wait();
    closer = std::thread([&] { door.close(); });
  });
  closer.join();
  EXPECT_EQ(told, 100);
}

TEST_F(misuse, accepts_that_are_called_off_at_any_moment_lose_no_connection) {
  std::mt19937_64 random(seed());
  ramie::run([&](ramie::scope& s) {
    net::listener door("127.0.0.1:0");
    constexpr int count = 300;
    int sent = 0, accepted = 0, called_off = 0;
    auto connects = s.spawn([&] {
      for (; sent < count; ++sent) {
        net::connect(door.local()).write_all(std::to_string(sent));
        if (random() % 2 == 0) ramie::this_task::sleep_for(std::chrono::microseconds(random() % 150));
      }
    });
    while (accepted < count) {
      std::optional<net::stream> peer;
      const bool in_time = ramie::try_for(std::chrono::microseconds(random() % 120), [&] { peer = door.accept(); });
      called_off += in_time ? 0 : 1;
      if (!peer) continue;
      EXPECT_EQ(read_text(*peer), std::to_string(accepted++));
    }
    connects.join();
    std::printf("%d accepts were called off\n", called_off);
  });
}

TEST_F(misuse, a_reader_sees_the_end_of_the_other_half_while_its_own_writes_go_on) {
  ramie::run([](ramie::scope& s) {
    auto ends = connected();
    auto &near = ends.first, &far = ends.second;
    const std::string much(16 << 20, 'x');
    auto writes = s.spawn([&] {
      far.write_all(much);
      far.shutdown_send();
    });
    near.shutdown_send();
    near.shutdown_send();  // twice is once
    EXPECT_EQ(read_text(far), "");
    EXPECT_FALSE(writes.done());
    EXPECT_EQ(drain(near), much.size());
    writes.join();
    EXPECT_EQ(error_of([&] { near.write_all("after its end"); }), std::errc::broken_pipe);
    EXPECT_EQ(error_of([&] { near.shutdown_send(); }), std::errc::not_connected) << "both halves have ended";
  });
}

TEST_F(misuse, no_bytes_at_all_are_moved_at_once_also_on_one_that_has_ended) {
  ramie::run([] {
    auto ends = net::socket_pair();
    const net::stream::buffer nothing;
    const std::array<net::stream::buffer, 3> nothings = {};
    const std::array<net::stream::const_buffer, 3> const_nothings = {};
    std::error_code error;
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(ends.first.read_some(nothing, error), 0U);
      EXPECT_EQ(ends.first.read_exactly(nothing, error), 0U);
      EXPECT_EQ(ends.first.write_all(nothing, error), 0U);
      EXPECT_EQ(ends.first.read_some(std::span<const net::stream::buffer>(nothings), error), 0U);
      EXPECT_EQ(ends.first.write_some(std::span<const net::stream::const_buffer>(const_nothings), error), 0U);
      EXPECT_FALSE(error) << error.message();
      ends.second.close();
    }
  });
}

// 6 GiB of addresses, no memory behind them but for what is touched.
TEST_F(misuse, a_buffer_of_more_than_the_kernel_moves_at_once_is_moved_in_part) {
  constexpr std::size_t bytes = std::size_t{6} << 30;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::printf("skipped: a buffer of 6 GiB: %s\n", std::strerror(errno));
    GTEST_SKIP();
  }
  const net::stream::buffer huge(static_cast<std::byte*>(memory), bytes);
  ramie::run([&] {
    for (auto make : {&net::socket_pair, &net::pipe_pair}) {
      auto ends = make();
      std::error_code error;
      const std::size_t sent = ends.second.write_some(huge, error);
      EXPECT_FALSE(error) << error.message();
      EXPECT_GT(sent, 0U);
      EXPECT_LT(sent, bytes);
      std::size_t got = 0;
      while (got < sent) got += ends.first.read_some(huge);
      EXPECT_EQ(got, sent);
      const std::array<net::stream::const_buffer, 3> pieces = {huge, huge, huge};
      EXPECT_GT(ends.second.write_some(std::span<const net::stream::const_buffer>(pieces), error), 0U);
      EXPECT_FALSE(error) << error.message();
    }
    net::datagram one("127.0.0.1:0");
    EXPECT_EQ(error_of([&] { one.send_to(huge, one.local()); }), std::errc::message_size);
  });
  munmap(memory, bytes);
}

// The program would end by SIGPIPE: nothing here ignores it.
TEST_F(misuse, writing_to_a_pipe_that_nobody_reads_is_an_error_not_a_signal) {
  struct sigaction now {};
  sigaction(SIGPIPE, nullptr, &now);
  ASSERT_EQ(now.sa_handler, SIG_DFL);
  const auto writes = [](net::stream& to) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(error_of([&] { to.write_all("x"); }), std::errc::broken_pipe);
    std::error_code error;
    const std::array<net::stream::const_buffer, 2> pieces = {std::as_bytes(std::span("a")),
                                                             std::as_bytes(std::span("b"))};
    to.write_some(std::span<const net::stream::const_buffer>(pieces), error);
    EXPECT_EQ(error, std::errc::broken_pipe);
  };
  ramie::run([&](ramie::scope& s) {
    auto ends = net::pipe_pair();
    ends.first.close();
    writes(ends.second);
    // Its reader goes while a write waits for room.
    auto full = net::pipe_pair();
    const std::string much(1 << 20, 'x');
    auto waits = s.spawn([&] { return error_of([&] { full.second.write_all(much); }); });
    let_others_wait();
    full.first.close();
    EXPECT_EQ(waits.get(), std::errc::broken_pipe);
    int blocking[2];
    ASSERT_EQ(::pipe2(blocking, O_CLOEXEC), 0);
    ::close(blocking[0]);
    net::stream taken = net::stream::adopt(blocking[1]);
    writes(taken);
  });
  auto ends = net::pipe_pair();
  ends.first.close();
  writes(ends.second);  // on a plain thread
  const auto waits = [] {
    sigset_t waiting;
    sigpending(&waiting);
    return sigismember(&waiting, SIGPIPE) != 0;
  };
  EXPECT_FALSE(waits());
  sigset_t before, broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  EXPECT_EQ(sigismember(&before, SIGPIPE), 0) << "as it was";
  // Who blocks it finds none of ours, and his own where it was.
  writes(ends.second);
  EXPECT_FALSE(waits());
  pthread_kill(pthread_self(), SIGPIPE);
  writes(ends.second);
  EXPECT_TRUE(waits());
  int taken = 0;
  sigwait(&broken_pipe, &taken);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(misuse, a_number_that_is_no_descriptor_is_not_taken_over) {
  EXPECT_EQ(error_of([] { static_cast<void>(net::stream::adopt(-1)); }), not_open);
  EXPECT_EQ(error_of([] { static_cast<void>(net::stream::adopt(1 << 20)); }), not_open);
}

// As a service manager hands it over: in blocking mode, and perhaps not what it should be.
TEST_F(misuse, a_listening_socket_is_taken_over_and_nothing_else_is_taken_for_one) {
  EXPECT_EQ(error_of([] { static_cast<void>(net::listener::adopt(-1)); }), not_open);
  auto pipe = net::pipe_pair();
  EXPECT_EQ(error_of([&] { static_cast<void>(net::listener::adopt(pipe.first.number())); }), std::errc::not_a_socket);
  auto ends = net::socket_pair();
  EXPECT_EQ(error_of([&] { static_cast<void>(net::listener::adopt(ends.first.number())); }),
            std::errc::invalid_argument);
  EXPECT_TRUE(pipe.first.is_open() && ends.first.is_open()) << "those that were refused are the caller's still";
  const std::string name = "unix:@ramie-adopted-" + std::to_string(getpid());
  for (const std::string& where : {std::string("127.0.0.1:0"), name}) {
    net::listener made{net::endpoint(where)};
    const int copy = fcntl(made.number(), F_DUPFD_CLOEXEC, 0);
    ASSERT_EQ(fcntl(copy, F_SETFL, 0), 0);
    ramie::run([&](ramie::scope& s) {
      net::listener door = net::listener::adopt(copy);
      EXPECT_EQ(door.local(), made.local());
      bool others_ran = false;
      auto accepts = s.spawn([&] { return door.accept(); });
      let_others_wait();
      others_ran = true;
      net::stream near = net::connect(door.local());
      net::stream far = accepts.get();
      EXPECT_TRUE(others_ran);
      far.write_all("taken over");
      EXPECT_EQ(read_text(near), "taken over");
    });
    EXPECT_EQ(fcntl(copy, F_GETFD), -1) << "closed with its listener";
    const net::listener kept = net::listener::adopt(made.number(), true);
  }
}

TEST_F(misuse, a_file_that_is_taken_over_is_read_at_its_own_position_and_has_an_end) {
  char name[] = "/tmp/ramie-misuse-XXXXXX";
  const int file = mkstemp(name);
  ASSERT_GE(file, 0);
  ::unlink(name);
  ramie::run([&](ramie::scope& s) {
    net::stream on_disk = net::stream::adopt(file);
    on_disk.write_all("first line, second line");
    EXPECT_EQ(read_text(on_disk), "") << "its end";
    ASSERT_EQ(lseek(file, 6, SEEK_SET), 6);
    EXPECT_EQ(read_text(on_disk, 4), "line");
    EXPECT_EQ(read_text(on_disk), ", second line");
    EXPECT_EQ(read_text(on_disk), "");
    // Ready at once, and others run meanwhile.
    EXPECT_TRUE(ramie::try_for(10s, [&] { on_disk.write_all("!"); }));
    static_cast<void>(s);
  });
}

TEST_F(misuse, nowhere_is_no_place_to_go_to) {
  const net::endpoint nowhere;
  EXPECT_EQ(nowhere.text(), "");
  EXPECT_EQ(nowhere.port(), 0);
  ramie::run([&] {
    EXPECT_EQ(error_of([&] { static_cast<void>(net::connect(nowhere)); }), std::errc::address_family_not_supported);
    EXPECT_EQ(error_of([&] { net::listener door(nowhere); }), std::errc::address_family_not_supported);
    EXPECT_EQ(error_of([&] { net::datagram one(nowhere); }), std::errc::address_family_not_supported);
    net::datagram one("127.0.0.1:0");
    EXPECT_EQ(error_of([&] { one.send_to("x", nowhere); }), std::errc::destination_address_required);
    EXPECT_TRUE(error_of([&] { one.send_to("x", "unix:@ramie-nobody"); }));
    EXPECT_EQ(error_of([&] { net::datagram taken(one.local()); }), std::errc::address_in_use);
    EXPECT_EQ(error_of([&] { net::listener far("192.0.2.1:0"); }), std::errc::address_not_available);
    EXPECT_EQ(error_of([&] { static_cast<void>(net::connect("unix:/nonexistent/path")); }),
              std::errc::no_such_file_or_directory);
  });
}

TEST_F(misuse, a_task_may_close_what_it_reads_from_in_another_tasks_turn_and_both_leave) {
  ramie::run([](ramie::scope& s) {
    for (int i = 0; i < 100; ++i) {
      auto ends = net::socket_pair();
      auto reads = s.spawn([&] { return error_of([&] { read_text(ends.first); }); });
      auto closes = s.spawn([&] { ends.first.close(); });
      auto writes = s.spawn([&] { return error_of([&] { ends.second.write_all("x"); }); });
      const std::error_code told = reads.get();
      EXPECT_TRUE(told == std::errc::operation_canceled || told == not_open || !told) << told.message();
      closes.join();
      writes.join();
    }
  });
}

// Two threads, each with a scheduler, read one stream: each byte is somebody's, once.
TEST_F(misuse, two_threads_that_read_one_stream_lose_nothing_of_it) {
  for (const bool tcp : {true, false}) {
    auto ends = tcp ? connected() : net::socket_pair();
    std::atomic<std::size_t> got = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i)
      readers.emplace_back([&] { ramie::run([&] { got.fetch_add(drain(ends.first, 50)); }); });
    ramie::run([&] {
      for (int i = 0; i < 3000; ++i) {
        ends.second.write_all("0123456789");
        if (i % 100 == 0) ramie::this_task::sleep_for(100us);
      }
      ends.second.close();
    });
    for (std::thread& each : readers) each.join();
    EXPECT_EQ(got.load(), 30'000U);
  }
}

}  // namespace
