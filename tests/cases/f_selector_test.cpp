// F: selectors and timers. Each case on a plain thread, which blocks, and in a task, which parks.
#include <ramie/net.hpp>
#include <ramie/runtime.hpp>
#include <ramie/selector.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using ramie::selector;
using interest = selector::interest;

// By parameter: in a task or not.
class f : public testing::TestWithParam<bool> {
 protected:
  static void here(const std::function<void()>& body) { GetParam() ? ramie::run(body) : body(); }
};
INSTANTIATE_TEST_SUITE_P(thread, f, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(task, f, testing::Values(true));

struct a_pipe {
  a_pipe() { EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0); }
  ~a_pipe() {
    close_end(0);
    close_end(1);
  }
  a_pipe(const a_pipe&) = delete;
  a_pipe& operator=(const a_pipe&) = delete;
  void close_end(int which) {
    if (ends[which] >= 0) ::close(std::exchange(ends[which], -1));
  }
  void write(const char* text = "x") { EXPECT_EQ(::write(ends[1], text, 1), 1); }
  void read() {
    char one = 0;
    EXPECT_EQ(::read(ends[0], &one, 1), 1);
  }
  int ends[2] = {-1, -1};
};

// More than the kernel tells at once.
TEST_P(f, all_that_are_ready_are_told_by_one_select_each_once) {
  here([] {
    for (const std::size_t count : {63U, 64U, 65U, 300U}) {
      selector all;
      std::vector<std::unique_ptr<a_pipe>> pipes;
      std::vector<std::unique_ptr<selector::monitor>> monitors;
      for (std::size_t i = 0; i < count; ++i) {
        pipes.push_back(std::make_unique<a_pipe>());
        pipes.back()->write();
        monitors.push_back(std::make_unique<selector::monitor>(all, pipes.back()->ends[0], interest::read));
      }
      for (const bool roused : {false, true}) {
        if (roused) all.wakeup();
        std::set<const selector::monitor*> told;
        EXPECT_EQ(all.select(10s, [&](selector::monitor& one) { told.insert(&one); }), count);
        EXPECT_EQ(told.size(), count);
      }
    }
  });
}

// F01
TEST_P(f, a_select_of_nothing_and_of_little_ends_and_a_negative_one_is_refused) {
  here([] {
    selector all;
    EXPECT_EQ(all.select(0ms), 0U);
    EXPECT_EQ(all.select(10ms), 0U);
    EXPECT_THROW(all.select(-1ms), std::invalid_argument);
  });
}

// F02
TEST_P(f, a_wakeup_ends_a_select_also_one_that_is_about_to_begin) {
  here([] {
    selector all;
    for (int i = 0; i < 10; ++i) {
      std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(i * 100));
        all.wakeup();
      });
      EXPECT_EQ(all.select(), 0U);
      other.join();
    }
    all.wakeup();
    all.wakeup();
    EXPECT_EQ(all.select(), 0U);
    EXPECT_EQ(all.select(1ms), 0U);  // two were one
  });
}

// F06, F09
TEST_P(f, a_reader_a_writer_and_a_second_reader_of_one_descriptor_are_all_told) {
  here([] {
    auto ends = ramie::net::socket_pair();
    const int number = ends.first.number();
    selector all;
    selector::monitor reader(all, number, interest::read), too(all, number, interest::read);
    selector::monitor writer(all, number, interest::write);
    EXPECT_EQ(all.select(), 1U);
    EXPECT_TRUE(writer.is_writable());
    ends.second.write_all("x");
    EXPECT_EQ(all.select(), 3U);
    EXPECT_TRUE(reader.is_readable() && too.is_readable());
    writer.close();
    reader.close();
    EXPECT_EQ(all.select(), 1U);
    EXPECT_EQ(all.size(), 1U);
  });
}

// F10
TEST(f, a_select_that_was_cancelled_takes_no_event_from_the_next) {
  ramie::run([] {
    a_pipe one;
    selector all;
    selector::monitor reads(all, one.ends[0], interest::read);
    EXPECT_FALSE(ramie::try_for(2ms, [&] { all.select(); }));
    one.write();
    EXPECT_EQ(all.select(), 1U);
    one.read();
    EXPECT_EQ(all.select(0ms), 0U);
  });
}

// F11
TEST_P(f, a_descriptor_that_is_closed_under_its_monitor_is_never_told_of) {
  here([] {
    a_pipe one;
    selector all;
    selector::monitor reads(all, one.ends[0], interest::read);
    one.close_end(0);
    EXPECT_EQ(all.select(2ms), 0U);
    EXPECT_FALSE(reads.is_readable());
  });
}

// F15, F16
TEST_P(f, what_was_read_does_not_turn_it_any_more) {
  here([] {
    a_pipe one;
    selector all;
    selector::monitor reads(all, one.ends[0], interest::read);
    one.write();
    one.write();
    EXPECT_EQ(all.select(), 1U);
    one.read();
    EXPECT_EQ(all.select(), 1U);  // level triggered: there is more
    one.read();
    EXPECT_EQ(all.select(0ms), 0U);
  });
}

// F20
TEST_P(f, a_file_on_disk_is_always_ready) {
  here([] {
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    selector all;
    {
      selector::monitor reads(all, file, interest::read);
      EXPECT_EQ(all.select(), 1U);
      reads.set_interests(interest::none);
      EXPECT_EQ(all.select(1ms), 0U);
    }
    ::close(file);
  });
}

// While one task selects, others run.
TEST(f, in_a_task_select_parks_that_task_only) {
  ramie::run([](ramie::scope& s) {
    a_pipe one;
    selector all;
    selector::monitor reads(all, one.ends[0], interest::read);
    auto selects = s.spawn([&] { return all.select(10s); });
    int turns = 0;
    for (; turns < 5; ++turns) ramie::this_task::sleep_for(1ms);
    one.write();
    EXPECT_EQ(selects.get(), 1U);
    EXPECT_EQ(turns, 5);
  });
}

// F22, F24: under the fake clock.
TEST(f, sleeps_set_in_any_order_end_in_order_and_what_is_over_at_the_limit_is_over) {
  ramie::run(
      [](ramie::scope& s) {
        std::vector<int> fired;
        std::vector<ramie::task<void>> sleepers;
        for (int tenths : {5, 9, 1, 7, 3, 2, 4, 5}) {
          sleepers.push_back(s.spawn([&fired, tenths] {
            ramie::this_task::sleep_for(tenths * 100ms);
            fired.push_back(tenths);
          }));
        }
        ramie::this_task::sleep_for(500ms);
        ramie::this_task::yield();
        EXPECT_EQ(fired, (std::vector<int>{1, 2, 3, 4, 5, 5}));
        s.join();
        EXPECT_EQ(fired, (std::vector<int>{1, 2, 3, 4, 5, 5, 7, 9}));
      },
      {.clock = ramie::clock_kind::fake});
}

// F23
TEST(f, cancelled_sleeps_do_not_fire_and_the_others_do) {
  ramie::run(
      [](ramie::scope& s) {
        int fired = 0;
        std::vector<ramie::task<void>> all;
        for (int i = 0; i < 256; ++i) {
          all.push_back(s.spawn([&] {
            ramie::this_task::sleep_for(1s);
            ++fired;
          }));
        }
        ramie::this_task::yield();
        for (std::size_t i = 0; i < 129; ++i) all[i].cancel();
        s.join();
        EXPECT_EQ(fired, 127);
      },
      {.clock = ramie::clock_kind::fake});
}

}  // namespace
