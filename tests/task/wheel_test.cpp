// The timer wheel against a sorted list: random times from nanoseconds to centuries, set, unset and advanced.
#include "sched/wheel.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace ramie_test {
namespace {

using ramie::parking::timer;

struct counted : timer {
  std::vector<int>* fired = nullptr;
  int number = 0;
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
        auto one = std::make_unique<counted>();
        one->fired = &fired;
        one->number = static_cast<int>(timers.size());
        one->fire = [](timer& due) noexcept {
          auto& self = static_cast<counted&>(due);
          self.fired->push_back(self.number);
        };
        const std::int64_t due = now + static_cast<std::int64_t>(random() % (std::uint64_t{1} << (random() % 45)));
        wheel.set(*one, due);
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
