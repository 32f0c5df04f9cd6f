// Planted stalls of each kind, and what the watch says of them. No test asserts a time that the machine decides: stalls
// last until they were told of.
#include "../fiber/forked.hpp"

#include <ramie/coroutine.hpp>
#include <ramie/generator.hpp>
#include <ramie/runtime.hpp>
#include <ramie/stall_watch.hpp>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace ramie_test {

using namespace std::chrono_literals;
using ramie::scope;
using ramie::stall;
using ramie::stall_watch;

#if defined(__SANITIZE_THREAD__)
constexpr bool signals_come_late = true;  // ThreadSanitizer keeps them until the thread calls something
#else
constexpr bool signals_come_late = false;
#endif

#if defined(RAMIE_EMULATED)
constexpr bool is_emulated = true;  // it is the emulator that waits in the kernel
#else
constexpr bool is_emulated = false;
#endif

// Collects what is told.
class listener {
 public:
  [[nodiscard]] auto hears() {
    return [this](const stall& one) {
      const std::lock_guard held(lock_);
      heard_.push_back(one);
      ++count_;
    };
  }
  [[nodiscard]] std::vector<stall> heard() {
    const std::lock_guard held(lock_);
    return heard_;
  }
  [[nodiscard]] int count() const { return count_; }

 private:
  std::mutex lock_;
  std::vector<stall> heard_;
  std::atomic<int> count_ = 0;
};

// Whose names are looked for.
[[gnu::noinline]] void compute_until(const listener& told, int count) {
  while (told.count() < count) {
    for (int i = 0; i < 1000; ++i) asm volatile("");
    if (signals_come_late) getppid();
  }
  asm volatile("");
}
[[gnu::noinline]] void wait_in_the_kernel_until(const listener& told, int count) {
  while (told.count() < count) usleep(20'000);
  asm volatile("");
}
[[gnu::noinline]] void poll_in_the_kernel_until(const listener& told, int count, int& interrupted) {
  pollfd nothing = {eventfd(0, EFD_CLOEXEC), POLLIN, 0};
  while (told.count() < count) {
    if (poll(&nothing, 1, 50) < 0) ++interrupted;
  }
  close(nothing.fd);
}

// By pointers, so that no clone of theirs with another name is called.
void (*volatile compute)(const listener&, int) = &compute_until;
void (*volatile wait_in_the_kernel)(const listener&, int) = &wait_in_the_kernel_until;

namespace {

bool names(const stall& one, const std::string& function) {
  return std::any_of(one.frames.begin(), one.frames.end(),
                     [&](const std::string& frame) { return frame.find(function) != frame.npos; });
}
std::string all_of(const stall& one) { return ramie::to_json(one); }

// Stalls until such a one was told of: on a machine with much to do, any task may stall before.
template <class Is>
stall stall_until_told(listener& told, Is is, void (*hold)(const listener&, int) = compute) {
  for (;;) {
    for (const stall& one : told.heard()) {
      if (!one.is_over && is(one)) return one;
    }
    hold(told, told.count() + 1);
    ramie::this_task::yield();
  }
}
// Where no frames could be had, that was said.
stall computes_until_seen(listener& told) {
  return stall_until_told(told, [](const stall& one) { return names(one, "compute_until") || !one.no_frames.empty(); });
}

ramie::stall_options short_one(listener& told) { return {.threshold = 2ms, .report = told.hears()}; }

TEST(stall_watch_test, a_task_that_computes_is_named_while_it_does_and_again_when_it_is_over) {
  listener told;
  stall begun;
  {
    const stall_watch watch(short_one(told));
    ramie::run([&](scope& s) {
      s.spawn([] { ramie::this_task::sleep_for(0s); }, {.name = "waits for its turn"});
      begun = computes_until_seen(told);
    });
    EXPECT_GE(watch.counts().stalls, 1U);
    EXPECT_GE(watch.counts().longest, 2ms);
  }
  const std::vector<stall> heard = told.heard();
  const auto place = std::find_if(heard.begin(), heard.end(),
                                  [&](const stall& one) { return one.is_over && one.number == begun.number; });
  ASSERT_NE(place, heard.end());
  const stall& over = *place;
  EXPECT_GE(begun.number, 1U);
  EXPECT_EQ(begun.task, "main");
  EXPECT_GE(begun.duration, 2ms);
  EXPECT_EQ(begun.thread, gettid());
  EXPECT_LE(begun.could_run, 1U);
  EXPECT_GE(over.duration, begun.duration);
  EXPECT_EQ(over.frames, begun.frames);
}

TEST(stall_watch_test, one_that_waits_in_the_kernel_is_named_with_its_call_and_its_call_is_not_ended) {
  listener told;
  const stall_watch watch(short_one(told));
  int interrupted = 0;
  ramie::run([&](scope& s) {
    s.spawn(
         [&] {
           const auto is_it = [](const stall& one) {
             return one.task == "sleeps" && (is_emulated || one.system_call >= 0);
           };
           const stall seen = stall_until_told(told, is_it, wait_in_the_kernel);
           EXPECT_TRUE(is_emulated || names(seen, "sleep") || !seen.no_frames.empty()) << all_of(seen);
         },
         {.name = "sleeps"})
        .join();
    s.spawn([&] { poll_in_the_kernel_until(told, told.count() + 2, interrupted); }, {.name = "polls"});
  });
  // A signal may hit one that runs when it is asked and waits when it is answered.
  if (!is_emulated) {
    EXPECT_LE(interrupted, 1);
  }
}

TEST(stall_watch_test, the_place_where_it_was_spawned_is_told_and_so_are_unnamed_ones) {
  listener told;
  const stall_watch watch(short_one(told));
  stall begun;
  const auto is_unnamed = [](const stall& one) { return one.task.empty(); };
  const unsigned line = __LINE__ + 1;
  ramie::run([&](scope& s) { s.spawn([&] { begun = stall_until_told(told, is_unnamed); }); });
  EXPECT_EQ(begun.spawned_at.line, line);
  EXPECT_NE(std::string(begun.spawned_at.file).find("stall_watch_test.cpp"), std::string::npos);
  EXPECT_EQ(ramie::describe(begun).rfind("ramie: a task, spawned at stall_watch_test.cpp:" + std::to_string(line), 0),
            0U)
      << ramie::describe(begun);
}

TEST(stall_watch_test, the_source_of_a_generator_is_named_with_the_task_that_asks_it) {
  listener told;
  const stall_watch watch(short_one(told));
  ramie::run([&](scope& s) {
    s.spawn(
        [&] {
          ramie::generator<int> numbers([&](auto& yield) {
            EXPECT_EQ(computes_until_seen(told).task, "asks");
            yield(1);
          });
          EXPECT_EQ(*numbers.next(), 1);
        },
        {.name = "asks"});
  });
}

// I02.
TEST(stall_watch_test, each_of_many_tasks_with_one_slow_call_among_quick_ones_is_told_once) {
  static constexpr std::array<ramie::label, 5> titles = {"first", "second", "third", "fourth", "fifth"};
  listener told;
  {
    const stall_watch watch({.threshold = 20ms, .report = told.hears()});
    ramie::run([&](scope& s) {
      for (const ramie::label& title : titles) {
        s.spawn(
            [&] {
              for (int i = 0; i < 100; ++i) ramie::this_task::yield();
              stall_until_told(told, [&](const stall& one) { return one.task == title.text(); });
              for (int i = 0; i < 100; ++i) ramie::this_task::yield();
            },
            {.name = title});
      }
    });
  }
  const std::vector<stall> heard = told.heard();
  for (const ramie::label& title : titles) {
    const auto is_begun = [&](const stall& one) { return !one.is_over && one.task == title.text(); };
    EXPECT_GE(std::count_if(heard.begin(), heard.end(), is_begun), 1) << title.text();
  }
  for (const stall& one : heard) {
    const auto is_same = [&](const stall& other) { return other.number == one.number; };
    EXPECT_EQ(std::count_if(heard.begin(), heard.end(), is_same), 2) << "when it begins and when it is over";
  }
}

TEST(stall_watch_test, tasks_that_wait_yield_or_use_up_reductions_are_not_told) {
  listener told;
  const stall_watch watch({.threshold = 600ms, .report = told.hears()});
  ramie::run([&](scope& s) {
    s.spawn([] { ramie::this_task::sleep_for(800ms); });
    s.spawn([] {
      const auto end = std::chrono::steady_clock::now() + 700ms;
      while (std::chrono::steady_clock::now() < end) ramie::this_task::reduce(10);
    });
    s.spawn([] {  // alone for a while, too
      const auto end = std::chrono::steady_clock::now() + 1400ms;
      while (std::chrono::steady_clock::now() < end) ramie::this_task::yield();
    });
  });
  EXPECT_EQ(watch.counts().stalls, 0U);
  EXPECT_EQ(told.count(), 0);
}

TEST(stall_watch_test, a_region_that_does_not_yield_counts) {
  listener told;
  const stall_watch watch(short_one(told));
  ramie::run([&] {
    const ramie::this_task::no_yield region;
    while (told.count() == 0) ramie::this_task::reduce(100);
  });
  EXPECT_GE(watch.counts().stalls, 1U);
}

// I03.
TEST(stall_watch_test, of_many_stalls_the_share_that_was_asked_for_is_told) {
  listener told;
  stall_watch::statistics counts;
  {
    const stall_watch watch({.threshold = 100us, .sample_rate = 0.1, .report = told.hears()});
    ramie::run([&] {
      while (watch.counts().stalls < 100) {
        const auto end = std::chrono::steady_clock::now() + 1ms;
        while (std::chrono::steady_clock::now() < end) {
          if (signals_come_late) getppid();
        }
        ramie::this_task::yield();
      }
    });
    counts = watch.counts();
  }
  int begun = 0;
  for (const stall& one : told.heard()) begun += one.is_over ? 0 : 1;
  EXPECT_GE(counts.stalls, 100U);
  EXPECT_GE(begun, 1) << "of " << counts.stalls;  // one run in 38,000 has none
  EXPECT_LE(begun, 50);
}

TEST(stall_watch_test, stalls_on_several_threads_are_told_each) {
  listener told;
  const stall_watch watch(short_one(told));
  std::array<std::thread, 3> threads;
  for (std::thread& one : threads) one = std::thread([&] { ramie::run([&] { compute(told, 3); }); });
  for (std::thread& one : threads) one.join();
  std::vector<int> numbers;
  for (const stall& one : told.heard()) {
    if (!one.is_over) numbers.push_back(one.thread);
  }
  std::sort(numbers.begin(), numbers.end());
  EXPECT_GE(std::unique(numbers.begin(), numbers.end()) - numbers.begin(), 1);
}

TEST(stall_watch_test, it_may_come_while_tasks_run_and_go_while_one_stalls) {
  listener told;
  ramie::run([&] {
    {
      const stall_watch watch(short_one(told));
      compute(told, 1);
    }
    const int before = told.count();
    {
      const stall_watch watch(short_one(told));
      compute(told, before + 1);
    }
    EXPECT_EQ(told.heard().at(static_cast<std::size_t>(before)).number, 1U) << "each counts from 1";
  });
}

// I06: the report writes where its own tasks read.
TEST(stall_watch_test, a_report_that_sends_to_the_runtime_that_stalled_does_not_hang) {
  ramie::runtime one;
  std::atomic<int> posted = 0, told = 0;
  const stall_watch watch({.threshold = 2ms, .report = [&, to = one.ref()](const stall& what) {
                             to.post([&, is_over = what.is_over] { posted += is_over ? 100 : 1; });
                             ++told;
                           }});
  one.run([&] {
    while (told == 0) {
      if (signals_come_late) getppid();
    }
    while (posted < 101) ramie::this_task::sleep_for(1ms);
  });
}

TEST(stall_watch_test, what_a_report_throws_is_dropped_and_the_next_stall_is_told) {
  std::atomic<int> told = 0;
  const stall_watch watch({.threshold = 2ms, .report = [&](const stall&) {
                             ++told;
                             throw std::runtime_error("no disk");
                           }});
  ramie::run([&] {
    while (told < 1) getppid();
    ramie::this_task::yield();
    while (told < 3) getppid();
  });
}

// I04.
TEST(stall_watch_test, a_second_one_is_refused_and_the_first_goes_on) {
  listener told;
  const stall_watch watch(short_one(told));
  EXPECT_THROW(stall_watch(ramie::stall_options{}), std::logic_error);
  ramie::run([&] { compute(told, 1); });
}

TEST(stall_watch_test, a_forked_child_is_not_watched_and_may_begin_anew_while_its_parent_goes_on) {
  if (!children_start_threads()) GTEST_SKIP();
  listener told;
  const stall_watch watch(short_one(told));
  EXPECT_EQ(code_of_child([&] {
              if (watch.watches()) return 1;
              listener own;
              {
                const stall_watch another(short_one(own));
                ramie::run([&] { compute(own, 1); });
                if (!another.watches() || another.counts().stalls == 0) return 2;
              }
              const stall_watch third(short_one(own));
              return own.heard().at(0).thread == gettid() ? 0 : 3;
            }),
            0);
  EXPECT_TRUE(watch.watches());
  ramie::run([&] { compute(told, 1); });
}

TEST(stall_watch_test, options_that_cannot_be_are_refused_with_the_numbers) {
  try {
    const stall_watch watch({.threshold = 99us});
    FAIL();
  } catch (const std::invalid_argument& refused) {
    EXPECT_NE(std::string(refused.what()).find("99000"), std::string::npos) << refused.what();
  }
  EXPECT_THROW(stall_watch({.sample_rate = 0}), std::invalid_argument);
  EXPECT_THROW(stall_watch({.sample_rate = 1.5}), std::invalid_argument);
  EXPECT_THROW(stall_watch({.signal = SIGKILL}), std::system_error);
  const stall_watch after_all_that;
}

std::atomic<int> own_signals = 0;
TEST(stall_watch_test, the_programs_own_handler_gets_what_is_not_ours_and_is_back_afterwards) {
  struct sigaction mine {
  }, before{}, after{};
  mine.sa_handler = [](int) { ++own_signals; };
  sigaction(SIGURG, &mine, &before);
  {
    listener told;
    const stall_watch watch(short_one(told));
    raise(SIGURG);
    EXPECT_EQ(own_signals, 1);
    ramie::run([&] { compute(told, 1); });
    EXPECT_EQ(own_signals, 1);
  }
  sigaction(SIGURG, &before, &after);
  EXPECT_EQ(after.sa_handler, mine.sa_handler);
}

TEST(stall_watch_test, a_thread_that_blocks_the_signal_is_told_of_without_frames) {
  listener told;
  const stall_watch watch(short_one(told));
  stall begun;
  std::thread([&] {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGURG);
    pthread_sigmask(SIG_BLOCK, &one, nullptr);
    const auto blocks_it = [](const stall& other) { return other.no_frames.find("signal") != std::string::npos; };
    ramie::run([&] { begun = stall_until_told(told, blocks_it); });
  }).join();
  EXPECT_EQ(begun.task, "main");
  EXPECT_TRUE(begun.frames.empty());
}

// As the profiles of some containers do.
bool refuse_process_vm_readv() {
  std::array<sock_filter, 4> code = {{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog filter = {.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(stall_watch_test, where_the_kernel_lets_nobody_copy_memory_a_waiting_thread_is_told_of_without_names) {
  if (!children_start_threads()) GTEST_SKIP();
  EXPECT_EQ(code_of_child([] {
              if (!refuse_process_vm_readv()) return 1;
              listener told;
              const stall_watch watch(short_one(told));
              ramie::run([&] {
                const auto is_it = [](const stall& one) {
                  return one.system_call >= 0 && one.task.empty() &&
                         one.no_frames.find("process_vm_readv(2) was refused") != std::string::npos;
                };
                stall_until_told(told, is_it, wait_in_the_kernel);
              });
              return 0;
            }),
            0);
}

TEST(stall_watch_test, its_threads_do_not_keep_a_deadlock_from_being_found) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "skipped: deadlocks under ThreadSanitizer: its own thread counts as one that may wake";
#endif
  const stall_watch watch;
  ramie::run([&](scope& s) {
    auto first = s.spawn([] {});
    first.join();
  });
  EXPECT_THROW(ramie::run([](scope& s) {
                 ramie::task<void> one;
                 one = s.spawn([&] { one.join(); });
                 one.join();
               }),
               std::exception);
}

TEST(stall_watch_test, texts_are_for_people_and_for_programs) {
  stall one{.number = 3, .duration = 12ms, .task = "a \"b\"\n", .spawned_at = {"dir/x.cpp", 7}, .thread = 12};
  one.frames = {"f() x.cpp:9  (x+0x12)"};
  EXPECT_EQ(
      ramie::to_json(one),
      "{\"number\":3,\"is_over\":false,\"duration_ns\":12000000,\"task\":\"a \\\"b\\\"\\u000a\",\"file\":\"dir/x.cpp\","
      "\"line\":7,\"thread\":12,\"could_run\":0,\"system_call\":-1,\"frames\":[\"f() x.cpp:9  (x+0x12)\"],"
      "\"no_frames\":\"\"}");
  one.task = "parse";
  EXPECT_EQ(ramie::describe(one),
            "ramie: task 'parse', spawned at x.cpp:7, holds its thread 12 for 12 ms; no other could run:\n"
            "    0  f() x.cpp:9  (x+0x12)\n");
  one.is_over = true;
  EXPECT_EQ(ramie::describe(one), "ramie: task 'parse' let others run after 12 ms\n");
}

}  // namespace
}  // namespace ramie_test
