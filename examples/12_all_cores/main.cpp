// All cores: a scheduler on each, work that whoever is free takes, results through a channel.
#include <ramie/channel.hpp>
#include <ramie/runtime.hpp>

#include <cstdio>
#include <map>

namespace {

constexpr int limit = 400'000, part = 10'000;

struct result {
  int primes;
  unsigned core;
};

// Which core a task runs on: a started task stays on its thread, so thread_local means what it says.
thread_local unsigned my_core = 0;

int primes_between(int first, int last) {
  int found = 0;
  for (int candidate = first; candidate < last; ++candidate) {
    bool is_prime = candidate > 1;
    for (int divisor = 2; divisor * divisor <= candidate && is_prime; ++divisor) is_prime = candidate % divisor != 0;
    found += is_prime ? 1 : 0;
    ramie::this_task::reduce();  // others of this core have their turn
  }
  return found;
}

}  // namespace

int main() {
  ramie::channel<result> results(16);
  std::map<unsigned, int> parts_of;
  int primes = 0;
  ramie::run_per_core(0, [&](unsigned index, ramie::cores& all) {
    my_core = index;
    if (index != 0) return;  // it stays and serves what is submitted
    for (int first = 0; first < limit; first += part) {
      all.submit([&results, first] { results.send({primes_between(first, first + part), my_core}); });
    }
    for (int missing = limit / part; missing != 0; --missing) {
      const result one = results.receive().value();
      primes += one.primes;
      ++parts_of[one.core];
    }
    // What must run on a certain core, because its data are there, is sent to it.
    const unsigned last = all.size() - 1;
    std::printf("core %u of %u says %u\n", last, all.size(), all.spawn_on(last, [] { return my_core; }).get());
  });
  std::printf("%d primes below %d\n", primes, limit);
  for (const auto& [core, parts] : parts_of) std::printf("core %u counted %d parts\n", core, parts);
  return primes == 33860 ? 0 : 1;
}
