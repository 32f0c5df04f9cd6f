// The timer wheel against a sorted list: random times from nanoseconds to centuries, set, unset and advanced, with
// memory for entries and without.
#include "sched/wheel.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <vector>

namespace {
bool is_memory_refused = false;
}  // namespace

// Slabs of entries are asked for with this one.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return is_memory_refused ? nullptr : std::malloc(bytes);
}
void* operator new(std::size_t bytes) {
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace ramie_test {
namespace {

using ramie::parking::timer;

struct counted : timer {
  std::vector<int>* fired = nullptr;
  int number = 0;
  counted(std::vector<int>& into, int own_number) : fired(&into), number(own_number) {
    fire = [](timer& due) noexcept {
      auto& self = static_cast<counted&>(due);
      self.fired->push_back(self.number);
    };
  }
};

std::uint64_t seed() {
  if (const char* given = std::getenv("RAMIE_TEST_SEED")) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

TEST(wheel_test, agrees_with_a_sorted_list_over_random_operations) {
  const std::uint64_t start = seed();
  std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(start));
  std::mt19937_64 random(start);
  for (int world = 0; world < 30; ++world) {
    std::int64_t now = static_cast<std::int64_t>(random() % (std::uint64_t{1} << (random() % 50)));
    ramie::sched::timer_wheel wheel(now);
    std::vector<int> fired, expected;
    std::vector<std::unique_ptr<counted>> timers;
    std::multimap<std::int64_t, int> model;
    for (int step = 0; step < 2000; ++step) {
      const auto dice = random() % 10;
      if (dice < 5) {
        auto one = std::make_unique<counted>(fired, static_cast<int>(timers.size()));
        const std::int64_t due = now + static_cast<std::int64_t>(random() % (std::uint64_t{1} << (random() % 45)));
        is_memory_refused = world % 3 == 0 && random() % 2 == 0;
        wheel.set(*one, due);
        is_memory_refused = false;
        model.emplace(due, one->number);
        timers.push_back(std::move(one));
      } else if (dice < 7 && !model.empty()) {
        auto victim = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
        wheel.unset(*timers[static_cast<std::size_t>(victim->second)]);
        model.erase(victim);
      } else {
        now += static_cast<std::int64_t>(random() % (std::uint64_t{1} << (random() % 44)));
        while (!model.empty() && model.begin()->first <= now) {
          expected.push_back(model.begin()->second);
          model.erase(model.begin());
        }
        wheel.advance(now);
        ASSERT_EQ(fired.size(), expected.size()) << "world " << world << " step " << step;
      }
      ASSERT_EQ(wheel.size(), model.size());
      const std::int64_t next = wheel.next_ns();
      if (model.empty()) {
        ASSERT_EQ(next, INT64_MAX);
      } else {
        ASSERT_LE(next, model.begin()->first) << "world " << world << " step " << step;
      }
    }
    ASSERT_EQ(fired, expected) << "world " << world;
    // What the wheel says is next must bring it there in a few steps.
    for (int jumps = 0; !model.empty(); ++jumps) {
      ASSERT_LT(jumps, 100'000);
      now = std::max(now, wheel.next_ns());
      while (!model.empty() && model.begin()->first <= now) model.erase(model.begin());
      wheel.advance(now);
      ASSERT_EQ(wheel.size(), model.size());
    }
  }
}

// Few times, many slots and levels, and each time set from near and from afar.
TEST(wheel_test, equal_times_fire_as_they_were_set_whatever_the_time_between) {
  const std::uint64_t start = seed();
  std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(start));
  std::mt19937_64 random(start);
  for (int world = 0; world < 30; ++world) {
    ramie::sched::timer_wheel wheel(0);
    std::vector<int> fired, expected;
    std::vector<std::unique_ptr<counted>> timers;
    std::multimap<std::int64_t, int> model;  // equal ones in the order of their insertion
    const std::int64_t unit = std::int64_t{1} << (10 + random() % 25);
    std::int64_t now = 0;
    for (int step = 0; step < 2000; ++step) {
      for (auto sets = random() % 5; sets != 0; --sets) {
        const std::int64_t due =
            unit * static_cast<std::int64_t>(random() % 20 + static_cast<std::uint64_t>(now / unit));
        timers.push_back(std::make_unique<counted>(fired, static_cast<int>(timers.size())));
        wheel.set(*timers.back(), due);
        model.emplace(due, timers.back()->number);
      }
      for (auto unsets = random() % 3; unsets != 0 && !model.empty(); --unsets) {
        const auto victim = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
        wheel.unset(*timers[static_cast<std::size_t>(victim->second)]);
        model.erase(victim);
      }
      now += static_cast<std::int64_t>(random() % (2 * static_cast<std::uint64_t>(unit)));
      while (!model.empty() && model.begin()->first <= now) {
        expected.push_back(model.begin()->second);
        model.erase(model.begin());
      }
      wheel.advance(now);
      ASSERT_EQ(fired, expected) << "world " << world << " step " << step;
      fired.clear();
      expected.clear();
    }
  }
}

TEST(wheel_test, one_that_fires_may_unset_and_set_others_that_are_due) {
  ramie::sched::timer_wheel wheel(0);
  std::vector<int> fired;
  std::vector<std::unique_ptr<counted>> timers;
  for (int i = 0; i < 100; ++i) timers.push_back(std::make_unique<counted>(fired, i));
  struct meddler : timer {
    ramie::sched::timer_wheel* wheel;
    std::vector<std::unique_ptr<counted>>* others;
  } first;
  first.wheel = &wheel;
  first.others = &timers;
  first.fire = [](timer& due) noexcept {
    auto& self = static_cast<meddler&>(due);
    for (std::size_t i = 0; i < 100; i += 2) self.wheel->unset(*(*self.others)[i]);
    self.wheel->set(*(*self.others)[0], 150);  // before all that are left
  };
  wheel.set(first, 100);
  for (int i = 0; i < 100; ++i) wheel.set(*timers[static_cast<std::size_t>(i)], 200 + i);
  EXPECT_EQ(wheel.advance(1000), 52U);
  std::vector<int> expected = {0};
  for (int i = 1; i < 100; i += 2) expected.push_back(i);
  EXPECT_EQ(fired, expected);
  EXPECT_EQ(wheel.next_ns(), INT64_MAX);
}

TEST(wheel_test, without_memory_timers_lie_in_themselves) {
  ramie::sched::timer_wheel wheel(0);
  std::vector<int> fired;
  std::vector<std::unique_ptr<counted>> timers;
  for (int i = 0; i < 10'000; ++i) timers.push_back(std::make_unique<counted>(fired, i));
  for (int wave = 0; wave < 3; ++wave) {
    const std::int64_t now = wave * 1'000'000'000LL;
    for (const auto& one : timers) {
      if (one->number == 5000) is_memory_refused = true;
      wheel.set(*one, now + one->number * 50'000LL);
    }
    is_memory_refused = false;
    for (const auto& one : timers) {
      if (one->number % 2 == 0) wheel.unset(*one);
    }
    EXPECT_EQ(wheel.advance(now + 999'999'999), 5000U);
    ASSERT_EQ(fired.size(), 5000U);
    for (std::size_t i = 0; i < fired.size(); ++i) ASSERT_EQ(fired[i], static_cast<int>(2 * i + 1));
    fired.clear();
    EXPECT_EQ(wheel.advance(now + 999'999'999), 0U);
  }
}

TEST(wheel_test, a_timer_may_set_itself_again_when_it_fires) {
  ramie::sched::timer_wheel wheel(0);
  struct periodic : timer {
    ramie::sched::timer_wheel* wheel = nullptr;
    int count = 0;
  } tick;
  tick.wheel = &wheel;
  tick.fire = [](timer& due) noexcept {
    auto& self = static_cast<periodic&>(due);
    ++self.count;
    self.wheel->set(self, self.due_ns + 1000);
  };
  wheel.set(tick, 1000);
  wheel.advance(10'500);
  EXPECT_EQ(tick.count, 10);
  wheel.unset(tick);
  EXPECT_EQ(wheel.next_ns(), INT64_MAX);
}

}  // namespace
}  // namespace ramie_test
