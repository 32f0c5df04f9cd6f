// What a call on another thread costs, and what goes between cores: best of five rounds each, in one process.
#include <ramie/offload.hpp>
#include <ramie/runtime.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace {

using clock_type = std::chrono::steady_clock;

// Nanoseconds for one of `count`, the best of five.
template <class F>
double best_of(int count, F&& round) {
  double best = 1e18;
  for (int i = 0; i < 5; ++i) {
    const auto start = clock_type::now();
    round();
    best = std::min(best, std::chrono::duration<double, std::nano>(clock_type::now() - start).count() / count);
  }
  return best;
}
void tell(const char* what, double ns) { std::printf("%-58s %10.0f ns\n", what, ns); }

int primes_between(int first, int last) {
  int found = 0;
  for (int candidate = std::max(2, first); candidate < last; ++candidate) {
    bool is_prime = true;
    for (int divisor = 2; divisor * divisor <= candidate && is_prime; ++divisor) is_prime = candidate % divisor != 0;
    found += is_prime ? 1 : 0;
  }
  return found;
}

void calls() {
  constexpr int count = 5000;
  tell("offload of nothing, by a plain thread", best_of(count, [] {
         for (int i = 0; i < count; ++i) ramie::offload([] {});
       }));
  ramie::run([] {
    tell("offload of nothing, by one task", best_of(count, [] {
           for (int i = 0; i < count; ++i) ramie::offload([] {});
         }));
    tell("offload of nothing, by 100 tasks at a time", best_of(count, [] {
           ramie::with_scope([](ramie::scope& s) {
             for (int t = 0; t < 100; ++t) {
               s.spawn([] {
                 for (int i = 0; i < count / 100; ++i) ramie::offload([] {});
               });
             }
           });
         }));
    tell("the same with a stop token", best_of(count, [] {
           ramie::with_scope([](ramie::scope& s) {
             for (int t = 0; t < 100; ++t) {
               s.spawn([] {
                 for (int i = 0; i < count / 100; ++i) ramie::offload([](const std::stop_token&) {});
               });
             }
           });
         }));
  });
}

void between_cores() {
  constexpr int count = 20000;
  ramie::run_per_core(2, [](unsigned index, ramie::cores& all) {
    if (index != 0) return;
    tell("spawn_on another core and get(), one at a time", best_of(count / 10, [&] {
           for (int i = 0; i < count / 10; ++i) all.spawn_on(1, [] { return 1; }).get();
         }));
    tell("submit an empty task, until all have run, two cores", best_of(count, [&] {
           std::atomic<int> ran = 0;
           for (int i = 0; i < count; ++i) all.submit([&] { ++ran; });
           while (ran != count) ramie::this_task::yield();
         }));
  });
}

void all_cores() {
  constexpr int limit = 1'000'000, part = 5000;
  for (const unsigned cores : {1U, 0U}) {
    unsigned used = 0;
    std::atomic<int> primes = 0;
    const double ns = best_of(1, [&] {
      primes = 0;
      ramie::run_per_core(cores, [&](unsigned index, ramie::cores& all) {
        used = all.size();
        if (index != 0) return;
        for (int first = 0; first < limit; first += part) {
          all.submit([&, first] { primes += primes_between(first, first + part); });
        }
      });
    });
    std::printf("%d primes below %d on %u cores: %.1f ms\n", primes.load(), limit, used, ns / 1e6);
  }
}

}  // namespace

int main() {
  calls();
  between_cores();
  all_cores();
}
