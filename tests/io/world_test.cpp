// What is around a socket: other threads, timers, signals, limits, silence.
#include "io/net_world.hpp"

#include <ramie/channel.hpp>
#include <ramie/selector.hpp>

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

namespace {

using namespace ramie_test;

class around : public net_world {};

TEST_F(around, another_thread_wakes_one_that_sleeps_in_the_poller) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    auto reads = s.spawn([&near] { return read_text(near); });
    ramie::channel<int> numbers(1);
    std::thread sender([&] {
      for (int i = 0; i < 200; ++i) {
        if (i % 50 == 0) std::this_thread::sleep_for(2ms);
        numbers.send(i);
      }
      numbers.close();
    });
    int sum = 0;
    for (int each : numbers) sum += each;
    EXPECT_EQ(sum, 199 * 200 / 2);
    sender.join();
    EXPECT_FALSE(reads.done());
    far.close();
    reads.join();
  });
}

TEST_F(around, timers_ring_while_the_thread_sleeps_in_the_poller) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    s.spawn([&near] { read_text(near); });
    const auto start = ramie::this_task::now();
    for (int i = 0; i < 10; ++i) ramie::this_task::sleep_for(2ms);
    EXPECT_GE(ramie::this_task::now() - start, 20ms);
    far.close();
    s.join();
  });
}

TEST_F(around, two_schedulers_talk) {
  net::listener door("127.0.0.1:0");
  std::thread server([&] { ramie::run([&] { echo(door.accept()); }); });
  ramie::run([&] {
    net::stream peer = net::connect(door.local());
    EXPECT_EQ(ping(peer, 500), 500);
  });
  server.join();
}

TEST_F(around, a_stream_is_read_on_one_thread_and_written_on_another) {
  std::pair<net::stream, net::stream> ends = net::socket_pair();
  std::thread other([&] { ramie::run([&] { echo(std::move(ends.second)); }); });
  std::thread writer([&] {
    ramie::run([&] {
      for (int i = 0; i < 2000; ++i) ends.first.write_all("0123456789");
      ends.first.shutdown_send();
    });
  });
  const std::size_t got = ramie::run([&] { return drain(ends.first); });
  writer.join();
  other.join();
  EXPECT_EQ(got, 20'000U);
}

// One task reads up to 20 bytes, another writes fewer and closes: what was written, and the end.
std::string message_between_two_tasks(const std::string& message, std::pair<net::stream, net::stream> ends) {
  return ramie::run([&](ramie::scope& s) {
    auto reads = s.spawn([&] {
      std::string got(20, '\0');
      got.resize(ends.first.read_exactly(std::span(got.data(), got.size())));
      return got;
    });
    s.spawn([&] {
      ends.second.write_all(message);
      ends.second.close();
    });
    return reads.get();
  });
}

TEST_F(around, a_read_of_one_task_gets_what_another_writes_before_it_closes) {
  EXPECT_EQ(message_between_two_tasks("Hello World", net::pipe_pair()), "Hello World");
  EXPECT_EQ(message_between_two_tasks("Hello World", net::socket_pair()), "Hello World");
}

TEST_F(around, sixteen_threads_do_so_at_once_each_with_a_scheduler_of_its_own) {
  constexpr int count = 16, rounds = 20;
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&right, i] {
      for (int round = 0; round < rounds; ++round) {
        const std::string message = "message " + std::to_string(i) + "/" + std::to_string(round);
        auto ends = round % 2 == 0 ? net::pipe_pair() : net::socket_pair();
        if (message_between_two_tasks(message, std::move(ends)) == message) right.fetch_add(1);
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(right.load(), count * rounds);
}

class fewer_descriptors {
 public:
  explicit fewer_descriptors(std::size_t allowed) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit less = before_;
    less.rlim_cur = allowed;
    setrlimit(RLIMIT_NOFILE, &less);
  }
  ~fewer_descriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  fewer_descriptors(const fewer_descriptors&) = delete;
  fewer_descriptors& operator=(const fewer_descriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(around, a_listener_survives_the_limit_of_descriptors) {
#if defined(__SANITIZE_ADDRESS__)
  std::puts(
      "skipped: the limit of descriptors: UBSan opens a pipe to look at an object's type, and there is none left");
  GTEST_SKIP();
#endif
  ramie::run([] {
    net::listener door("127.0.0.1:0");
    net::stream near = net::connect(door.local());
    std::vector<int> taken;
    for (int i = 0; i < 10; ++i) taken.push_back(dup(0));
    const auto allowed = static_cast<std::size_t>(taken.back()) + 1;
    std::exception_ptr refused;
    {
      const fewer_descriptors limit(allowed);
      try {
        static_cast<void>(door.accept());
      } catch (...) {
        refused = std::current_exception();
      }
      std::error_code error;
      EXPECT_FALSE(door.accept(error).is_open());
      EXPECT_EQ(error, std::errc::too_many_files_open);
      ::close(taken.back());
      taken.pop_back();
      net::stream far = door.accept();
      far.write_all("after the limit");
      EXPECT_EQ(read_text(near), "after the limit");
    }
    for (int one : taken) ::close(one);
    ASSERT_NE(refused, nullptr) << "a descriptor was free";
    try {
      std::rethrow_exception(refused);
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::too_many_files_open);
      EXPECT_NE(std::string(error.what()).find("RLIMIT_NOFILE"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(std::to_string(allowed)), std::string::npos) << error.what();
    }
  });
}

// Each says which limit it is and how much is allowed; nothing of it is taken for the answer of a name server.
TEST_F(around, what_needs_a_descriptor_at_the_limit_names_the_limit) {
#if defined(__SANITIZE_ADDRESS__)
  std::puts(
      "skipped: the limit of descriptors: UBSan opens a pipe to look at an object's type, and there is none left");
  GTEST_SKIP();
#endif
  ramie::run([] {
    net::listener door("127.0.0.1:0");
    const net::endpoint where = door.local();
    static_cast<void>(net::resolve("localhost:80"));  // its pool has its thread
    const int last = dup(0);
    std::vector<std::pair<std::error_code, std::string>> told;
    {
      const fewer_descriptors limit(static_cast<std::size_t>(last) + 1);
      const auto attempt = [&](auto&& act) {
        try {
          act();
          told.emplace_back();
        } catch (const std::system_error& error) {
          told.emplace_back(error.code(), error.what());
        }
      };
      attempt([&] { static_cast<void>(net::connect(where)); });
      attempt([] { const net::listener one("127.0.0.1:0"); });
      attempt([] { const net::datagram one("127.0.0.1:0"); });
      attempt([] { static_cast<void>(net::pipe_pair()); });
      attempt([] { static_cast<void>(net::socket_pair()); });
      attempt([] { const ramie::selector one; });
      attempt([] { static_cast<void>(net::resolve("localhost:80")); });
    }
    ::close(last);
    for (const auto& [error, text] : told) {
      EXPECT_EQ(error, std::errc::too_many_files_open) << text;
      EXPECT_NE(text.find("RLIMIT_NOFILE"), std::string::npos) << text;
      EXPECT_NE(text.find("may have " + std::to_string(last + 1)), std::string::npos) << text;
    }
  });
}

TEST_F(around, at_the_limit_an_accept_waits_until_somebody_is_there) {
#if defined(__SANITIZE_ADDRESS__)
  std::puts(
      "skipped: the limit of descriptors: UBSan opens a pipe to look at an object's type, and there is none left");
  GTEST_SKIP();
#endif
  ramie::run([](ramie::scope& s) {
    net::listener door("127.0.0.1:0");
    net::stream warm = net::connect(door.local());  // the poller has its descriptors
    net::stream warm_far = door.accept();
    int last = dup(0);
    const fewer_descriptors limit(static_cast<std::size_t>(last) + 1);
    auto accepts = s.spawn([&] {
      std::error_code error;
      static_cast<void>(door.accept(error));
      return error;
    });
    ramie::this_task::sleep_for(3ms);
    EXPECT_FALSE(accepts.done());
    ::close(last);
    net::stream near = net::connect(door.local());  // takes the last one
    EXPECT_EQ(accepts.get(), std::errc::too_many_files_open);
  });
}

std::atomic<int> alarms = 0;
int alarm_writes_to = -1;

class alarms_every {
 public:
  explicit alarms_every(std::chrono::microseconds period, bool once = false) {
    struct sigaction action {};
    action.sa_handler = [](int) {
      const int before = errno;
      alarms.fetch_add(1);
      if (alarm_writes_to >= 0) [[maybe_unused]]
        const ssize_t written = ::write(alarm_writes_to, "!", 1);
      errno = before;
    };
    sigaction(SIGALRM, &action, &before_);  // without SA_RESTART
    itimerval often{};
    often.it_value.tv_usec = period.count();
    if (!once) often.it_interval.tv_usec = period.count();
    setitimer(ITIMER_REAL, &often, nullptr);
  }
  ~alarms_every() {
    const itimerval none{};
    setitimer(ITIMER_REAL, &none, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  alarms_every(const alarms_every&) = delete;
  alarms_every& operator=(const alarms_every&) = delete;

 private:
  struct sigaction before_ {};
};

TEST_F(around, signals_interrupt_nothing) {
  alarms = 0;
  const alarms_every millisecond(1000us);
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    s.spawn([&far] {
      for (int i = 0; i < 50; ++i) {
        ramie::this_task::sleep_for(1ms);
        far.write_all("0123456789");
      }
      far.close();
    });
    EXPECT_EQ(drain(near), 500U);
  });
  std::pair<net::stream, net::stream> ends = net::socket_pair();
  // A thread that blocks is interrupted too.
  std::thread late([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::this_thread::sleep_for(20ms);
    ends.second.write_all("x");
  });
  EXPECT_EQ(read_text(ends.first), "x");
  late.join();
  EXPECT_GT(alarms.load(), 10);
}

// Nobody else in this process could write: only the kernel, by a signal, long after silence was noticed.
TEST_F(around, a_read_in_flight_is_no_deadlock) {
#if defined(__SANITIZE_THREAD__)
  std::puts("skipped: a signal while the ring is waited in: ThreadSanitizer keeps it back until a call that it knows");
  GTEST_SKIP();
#endif
  ramie::run([] {
    auto reader_and_writer = net::pipe_pair();
    auto &reader = reader_and_writer.first, &writer = reader_and_writer.second;
    alarm_writes_to = writer.number();
    const alarms_every later(100'000us, true);
    EXPECT_EQ(read_text(reader), "!");
    alarm_writes_to = -1;
  });
}

TEST_F(around, without_one_a_deadlock_is_found_although_there_is_a_poller) {
#if defined(__SANITIZE_THREAD__)
  std::puts("skipped: a deadlock: ThreadSanitizer's own thread counts as one that could wake somebody");
  GTEST_SKIP();
#endif
  EXPECT_THROW(ramie::run([] {
                 auto near_and_far = connected();
                 auto &near = near_and_far.first, &far = near_and_far.second;
                 far.write_all("x");
                 read_text(near);
                 ramie::channel<int> never;
                 never.receive();
               }),
               ramie::deadlock);
}

TEST_F(around, who_waits_does_not_turn) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    for (int i = 0; i < 10; ++i) s.spawn([&near] { read_text(near); });
    ramie::this_task::sleep_for(50ms);
    rusage before{}, after{};
    getrusage(RUSAGE_THREAD, &before);
    ramie::this_task::sleep_for(300ms);
    getrusage(RUSAGE_THREAD, &after);
    // A few are the kernel's own, where it is busy with others.
    EXPECT_LE(after.ru_nvcsw - before.ru_nvcsw, 10) << "how often the thread went to sleep in 300 ms";
    far.close();
    s.join();
  });
}

TEST_F(around, busy_tasks_do_not_starve_the_sockets_nor_the_other_way_round) {
  bool done = false;
  long turns = 0;
  ramie::run([&](ramie::scope& s) {
    auto ends = connected();
    s.spawn([&] {
      while (!done) {
        ++turns;
        ramie::this_task::yield();
      }
    });
    s.spawn([far = std::move(ends.second)]() mutable { echo(std::move(far)); });
    EXPECT_EQ(ping(ends.first, 200), 200);
    done = true;
  });
  EXPECT_GT(turns, 200);
}

TEST_F(around, one_that_always_succeeds_at_once_lets_others_run) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = net::socket_pair();
    auto &near = near_and_far.first, &far = near_and_far.second;
    bool others = false;
    auto pumps = s.spawn([&near, &far, &others] {
      for (int i = 0; i < 100'000 && !others; ++i) {
        far.write_all("x");
        read_text(near);
      }
    });
    s.spawn([&] { others = true; });
    pumps.join();
    EXPECT_TRUE(others);
  });
}

TEST_F(around, operations_outlive_a_turn_of_a_host_loop) {
  ramie::runtime app;
  std::string got;
  std::pair<net::stream, net::stream> ends = net::socket_pair();
  app.post([&] { got = read_text(ends.first); });
  EXPECT_FALSE(app.run_once(1ms));
  ends.second.write_all("between two turns");
  while (!app.run_once(1ms)) {
  }
  EXPECT_EQ(got, "between two turns");
}

}  // namespace
