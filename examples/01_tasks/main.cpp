// A race with a deadline: three mirrors are asked, the first answer wins, the others are cancelled, and nobody waits
// longer than half a second. Then a task that computes without waiting, and does not keep the clock from ticking.
#include <ramie/runtime.hpp>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

namespace {

std::string ask(const char* mirror, std::chrono::milliseconds answer_after) {
  ramie::this_task::sleep_for(answer_after);
  return mirror;
}

void race() {
  const auto answer = ramie::try_for(500ms, [] {
    return ramie::when_any([] { return ask("tokyo", 90ms); }, [] { return ask("berlin", 20ms); },
                           [] { return ask("quito", 10min); });
  });
  if (answer) std::printf("%s was first\n", std::visit([](const std::string& name) { return name; }, *answer).c_str());
}

// Counts primes; every number tried is charged, so others run when a slice is used up.
int primes_below(int limit) {
  int found = 0;
  for (int candidate = 2; candidate < limit; ++candidate) {
    bool is_prime = true;
    for (int divisor = 2; divisor * divisor <= candidate && is_prime; ++divisor) is_prime = candidate % divisor != 0;
    found += is_prime ? 1 : 0;
    ramie::this_task::reduce();
  }
  return found;
}

void compute() {
  int ticks = 0;
  ramie::with_scope([&](ramie::scope& s) {
    s.spawn(
        [&] {
          for (;; ++ticks) ramie::this_task::sleep_for(1ms);
        },
        {.name = "ticker", .transient = true});
    auto primes = s.spawn([] { return primes_below(200'000); }, {.name = "primes"});
    std::printf("%d primes, and the ticker ticked meanwhile: %s\n", primes.get(), ticks > 0 ? "yes" : "no");
  });
}

}  // namespace

int main() {
  return ramie::run([] {
    race();
    compute();
    return 0;
  });
}
