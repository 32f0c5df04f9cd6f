// What is told about tasks that hang: dumps, reports of deadlocks, a signal from outside.
//
// Built with its functions exported, so that dladdr knows their names and no symbolizer is needed.
#include "task_world.hpp"

#include <ramie/channel.hpp>
#include <ramie/event.hpp>
#include <ramie/mutex.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

namespace ramie_test {

using ramie::scope;
using ramie::task;

#if defined(__SANITIZE_THREAD__)
constexpr bool under_tsan = true;
#else
constexpr bool under_tsan = false;
#endif

// Whose names are looked for.
[[gnu::noinline]] void take_both(ramie::mutex& first, ramie::mutex& second) {
  const std::lock_guard one(first);
  ramie::this_task::sleep_for(1ms);
  const std::lock_guard other(second);
}
[[gnu::noinline]] void wait_for_a_job(ramie::channel<int>& jobs) {
  static_cast<void>(jobs.receive());
  asm volatile("");
}
[[gnu::noinline]] void join_the_next(task<void>& next) {
  next.join();
  asm volatile("");
}
[[gnu::noinline]] void wait_in_a_nested_fiber(ramie::event& one) {
  one.wait();
  asm volatile("");
}
std::atomic<bool> told_to_end = false;
[[gnu::noinline]] void spin_until_told() {
  while (!told_to_end.load(std::memory_order_relaxed)) asm volatile("");
}

namespace {

class dump_test : public task_world {
 protected:
  static void SetUpTestSuite() { setenv("RAMIE_SYMBOLIZER", "", 1); }
  // Runs it into a deadlock: what standard error was told; what() of the error must say the same.
  template <class F>
  std::string report_of(F body) {
    testing::internal::CaptureStderr();
    std::string text = "no deadlock";
    try {
      ramie::run(body, fake_time);
    } catch (const ramie::deadlock& found) {
      text = found.what();
    }
    std::string report = testing::internal::GetCapturedStderr();
    EXPECT_EQ(report.substr(report.find('\n') + 1), text.substr(text.find('\n') + 1));
    return report;
  }
};

void expect_words(const std::string& text, std::initializer_list<const char*> expected) {
  for (const char* word : expected) EXPECT_NE(text.find(word), std::string::npos) << word << " is missing in\n" << text;
}

std::size_t count_of(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++count;
  return count;
}

#define SKIP_DEADLOCKS_UNDER_TSAN()                                                                            \
  if (under_tsan) {                                                                                            \
    std::printf("skipped: a deadlock: ThreadSanitizer's own thread counts as one that could wake somebody\n"); \
    GTEST_SKIP();                                                                                              \
  }

TEST_F(dump_test, two_mutexes_taken_crosswise_are_reported_with_both_tasks_and_where_they_wait) {
  SKIP_DEADLOCKS_UNDER_TSAN();
  const std::string report = report_of([&] {
    ramie::mutex left, right;
    ramie::with_scope([&](scope& s) {
      s.spawn([&] { take_both(left, right); }, {.name = "left-handed"});
      s.spawn([&] { take_both(right, left); }, {.name = "right-handed"});
    });
  });
  expect_words(report, {"deadlock", "task 'left-handed' waits for mutex", "task 'right-handed' waits for mutex",
                        "task 'main' waits for children", "spawned at dump_test.cpp:", "take_both"});
  EXPECT_EQ(count_of(report, "  ramie_test::take_both("), 2U) << report;
}

TEST_F(dump_test, a_channel_nobody_sends_to_is_reported_with_who_receives) {
  SKIP_DEADLOCKS_UNDER_TSAN();
  const std::string report = report_of([&] {
    ramie::channel<int> jobs(4);
    ramie::with_scope([&](scope& s) {
      s.spawn(
          [&] {
            ramie::this_task::annotate("job 12");
            wait_for_a_job(jobs);
          },
          {.name = "worker"});
    });
  });
  expect_words(report, {"task 'worker' (job 12) waits for channel receive", "wait_for_a_job", "dump_test.cpp:"});
}

TEST_F(dump_test, a_circle_of_joins_is_reported_with_all_of_it) {
  SKIP_DEADLOCKS_UNDER_TSAN();
  const std::string report = report_of([&] {
    task<void> circle[3];
    ramie::with_scope([&](scope& s) {
      circle[0] = s.spawn([&] { join_the_next(circle[1]); }, {.name = "rock"});
      circle[1] = s.spawn([&] { join_the_next(circle[2]); }, {.name = "paper"});
      circle[2] = s.spawn([&] { join_the_next(circle[0]); }, {.name = "scissors"});
    });
  });
  expect_words(report, {"task 'rock' waits for join", "task 'paper' waits for join", "task 'scissors' waits for join"});
  EXPECT_EQ(count_of(report, "join_the_next"), 3U) << report;
}

TEST_F(dump_test, the_stack_of_a_task_goes_through_the_fibers_that_it_resumed) {
  std::string text;
  ramie::run(
      [&] {
        ramie::event go;
        ramie::with_scope([&](scope& s) {
          s.spawn(
              [&] {
                ramie::fiber inner([&] { wait_in_a_nested_fiber(go); }, {.name = "inner"});
                inner.resume();
              },
              {.name = "outer"});
          settle();
          text = ramie::dump_tasks();
          go.set();
        });
      },
      fake_time);
  expect_words(text, {"task 'outer' waits for event", "wait_in_a_nested_fiber", "in fiber 'outer'"});
  EXPECT_LT(text.find("wait_in_a_nested_fiber"), text.find("in fiber 'outer'")) << text;
}

TEST_F(dump_test, the_task_that_asks_is_running_and_shows_its_own_stack) {
  std::string text;
  ramie::run([&] { text = ramie::dump_tasks(); }, fake_time);
  expect_words(text, {"task 'main' is running", "dump_tasks"});
}

TEST_F(dump_test, a_task_that_has_not_started_has_no_stack) {
  std::string text;
  ramie::run(
      [&](scope& s) {
        s.spawn([] {}, {.name = "fresh"});
        text = ramie::dump_tasks();
      },
      fake_time);
  const std::string rest = text.substr(text.find("task 'fresh' is ready"));
  EXPECT_EQ(rest.find("    0  "), rest.npos) << text;
}

TEST_F(dump_test, stacks_are_left_out_and_cut_off_as_asked) {
  std::string without, one;
  ramie::run(
      [&](scope& s) {
        ramie::channel<int> jobs;
        s.spawn([&] { wait_for_a_job(jobs); });
        settle();
        without = ramie::dump_tasks({.stacks = false});
        one = ramie::dump_tasks({.frames_most = 1});
        static_cast<void>(ramie::dump_tasks({.frames_most = SIZE_MAX}));
        jobs.close();
        s.join();
      },
      fake_time);
  EXPECT_EQ(count_of(without, "\n"), 2U) << without;
  EXPECT_EQ(count_of(one, "    0  "), 2U) << one;
  EXPECT_EQ(count_of(one, "    1  "), 0U) << one;
  EXPECT_GT(count_of(one, " more frames"), 0U) << one;
}

TEST_F(dump_test, thousands_of_equal_tasks_are_shown_once_and_counted) {
  std::string text;
  ramie::run(
      [&](scope& s) {
        ramie::channel<int> jobs;
        ramie::event other;
        for (int i = 0; i < 2000; ++i) s.spawn([&] { wait_for_a_job(jobs); }, {.name = "worker"});
        s.spawn([&] { wait_in_a_nested_fiber(other); }, {.name = "odd one"});
        settle();
        text = ramie::dump_tasks();
        other.set();
        jobs.close();
        s.join();
      },
      fake_time);
  expect_words(text, {"2,000 tasks like this: task 'worker' waits for channel receive", "task 'odd one'"});
  EXPECT_EQ(count_of(text, "wait_for_a_job"), 1U) << text.substr(0, 5000);
}

TEST_F(dump_test, without_tasks_the_dump_is_empty) { EXPECT_EQ(ramie::dump_tasks(), ""); }

TEST_F(dump_test, a_signal_that_cannot_be_caught_is_refused_with_its_number) {
  for (const int wrong : {SIGKILL, -1, 12345}) {
    try {
      ramie::runtime one({.dump_signal = wrong});
      FAIL() << wrong;
    } catch (const std::system_error& refused) {
      EXPECT_NE(std::string(refused.what()).find(std::to_string(wrong)), std::string::npos) << refused.what();
    }
  }
}

TEST_F(dump_test, the_signal_has_its_former_meaning_when_the_last_runtime_goes) {
  struct sigaction before {
  }, during{}, after{};
  sigaction(SIGQUIT, nullptr, &before);
  {
    const ramie::runtime one({.dump_signal = SIGQUIT}), two({.dump_signal = SIGQUIT});
    sigaction(SIGQUIT, nullptr, &during);
  }
  sigaction(SIGQUIT, nullptr, &after);
  EXPECT_NE(during.sa_sigaction, before.sa_sigaction);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
}

// A process of its own whose standard error comes here, and that ends by SIGUSR1.
class hanging_process {
 public:
  template <class F>
  explicit hanging_process(F body) {
    int ends[2] = {};
    EXPECT_EQ(pipe(ends), 0);
    process_ = fork();
    if (process_ == 0) {
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      signal(SIGUSR1, [](int) { told_to_end = true; });
      try {
        ramie::run(body, {.dump_signal = SIGQUIT});
      } catch (...) {
        _exit(3);
      }
      _exit(0);
    }
    close(ends[1]);
    reader_ = ends[0];
  }
  ~hanging_process() { close(reader_); }
  hanging_process(const hanging_process&) = delete;
  hanging_process& operator=(const hanging_process&) = delete;

  // What it wrote up to this word and what came with it; less where it ended before.
  std::string read_until(const std::string& word) {
    std::string text;
    std::array<char, 4096> some;
    while (text.find(word) == text.npos) {
      const ssize_t got = read(reader_, some.data(), some.size());
      if (got <= 0) break;
      text.append(some.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  void send(int signal) const { kill(process_, signal); }
  int end() {
    send(SIGUSR1);
    int status = 0;
    waitpid(process_, &status, 0);
    return status;
  }

 private:
  pid_t process_ = -1;
  int reader_ = -1;
};

void say_ready() { static_cast<void>(!write(STDERR_FILENO, "ready\n", 6)); }

TEST_F(dump_test, a_process_that_hangs_tells_why_when_it_is_sent_the_signal_and_goes_on) {
  if (under_tsan) {
    std::printf("skipped: a signal to a child: ThreadSanitizer does not let a forked child make threads\n");
    GTEST_SKIP();
  }
  hanging_process child([](scope& s) {
    ramie::event never;
    s.spawn([&] { wait_in_a_nested_fiber(never); }, {.name = "stuck"});
    ramie::this_task::sleep_for(1ms);
    say_ready();
    while (!told_to_end) ramie::this_task::sleep_for(20ms);
    never.set();
    s.join();
  });
  child.read_until("ready");
  for (int round = 0; round < 3; ++round) {
    child.send(SIGQUIT);
    expect_words(child.read_until("end of the tasks"),
                 {"signal 3", "task 'stuck' waits for event", "wait_in_a_nested_fiber", "task 'main' waits for sleep"});
  }
  EXPECT_EQ(child.end(), 0);
}

TEST_F(dump_test, a_signal_to_the_process_reaches_the_schedulers_of_all_threads) {
  int ends[2] = {};
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<bool> over = false;
  std::atomic<int> running = 0;
  const auto wait_for_the_end = [&] {
    ramie::run(
        [&] {
          ++running;
          while (!over) ramie::this_task::sleep_for(1ms);
        },
        {.dump_signal = SIGUSR2});
  };
  std::thread one(wait_for_the_end), other(wait_for_the_end);
  while (running != 2) std::this_thread::yield();
  const int kept = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  kill(getpid(), SIGUSR2);
  std::string text;
  std::array<char, 4096> some;
  while (count_of(text, "end of the tasks") < 2) {
    const ssize_t got = read(ends[0], some.data(), some.size());
    if (got <= 0) break;
    text.append(some.data(), static_cast<std::size_t>(got));
  }
  dup2(kept, STDERR_FILENO);
  over = true;
  one.join();
  other.join();
  for (const int descriptor : {kept, ends[0], ends[1]}) close(descriptor);
  EXPECT_EQ(count_of(text, "task 'main' waits for sleep") + count_of(text, "task 'main' is re"), 2U) << text;
}

TEST_F(dump_test, a_task_that_never_lets_go_is_named_at_once_with_its_stack) {
  if (under_tsan) {
    std::printf("skipped: a signal to a child: ThreadSanitizer does not let a forked child make threads\n");
    GTEST_SKIP();
  }
  hanging_process child([](scope& s) {
    s.spawn(
        [] {
          say_ready();
          spin_until_told();
        },
        {.name = "hog"});
    s.join();
  });
  child.read_until("ready");
  child.send(SIGQUIT);
  // Its frames have no names here: in a handler only the symbolizer is asked, and there is none.
  expect_words(child.read_until("    1  "), {"signal 3 while task 'hog' is running", "    0  "});
  EXPECT_EQ(child.end(), 0);
  expect_words(child.read_until("end of the tasks"), {"all tasks"});
}

}  // namespace
}  // namespace ramie_test
