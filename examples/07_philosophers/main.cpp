// Five philosophers, five forks, two needed to eat. Taking both in a fixed order cannot deadlock; without that order
// all five hold their left fork and wait, which the runtime finds and names instead of hanging.
#include <ramie/mutex.hpp>
#include <ramie/runtime.hpp>

#include <algorithm>
#include <array>
#include <iostream>
#include <mutex>
#include <string>

namespace {

using namespace std::chrono_literals;
constexpr std::size_t seats = 5;

struct table {
  std::array<ramie::mutex, seats> forks;
  std::array<int, seats> meals{};
};

void dine(table& t, std::size_t seat) {
  const auto [low, high] = std::minmax({seat, (seat + 1) % seats});
  for (int meal = 0; meal < 3; ++meal) {
    std::lock_guard first(t.forks[low]);
    ramie::this_task::sleep_for(1ms);
    std::lock_guard second(t.forks[high]);
    ramie::this_task::sleep_for(1ms);
    ++t.meals[seat];
  }
}

void dine_greedily(table& t, std::size_t seat) {
  std::lock_guard left(t.forks[seat]);
  ramie::this_task::sleep_for(1ms);
  std::lock_guard right(t.forks[(seat + 1) % seats]);
  ++t.meals[seat];
}

}  // namespace

int main() {
  table polite;
  ramie::run([&](ramie::scope& s) {
    for (std::size_t seat = 0; seat < seats; ++seat) {
      s.spawn([&, seat] { dine(polite, seat); }, {.name = "philosopher"});
    }
  });
  for (int meals : polite.meals) std::cout << meals << " meals\n";

  table greedy;
  try {
    ramie::run([&](ramie::scope& s) {
      for (std::size_t seat = 0; seat < seats; ++seat) {
        s.spawn([&, seat] { dine_greedily(greedy, seat); }, {.name = "greedy philosopher"});
      }
    });
    return 1;
  } catch (const ramie::deadlock& found) {
    std::cout << "and the greedy ones: " << std::string(found.what()).substr(0, 8) << '\n';
  }
  return std::all_of(polite.meals.begin(), polite.meals.end(), [](int meals) { return meals == 3; }) ? 0 : 1;
}
