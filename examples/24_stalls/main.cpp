// Two tasks that hold their thread, one by computing and one by blocking, are named while they do, as JSON.
#include <ramie/runtime.hpp>
#include <ramie/stall_watch.hpp>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

namespace {

std::atomic<int> told = 0;

void report(const ramie::stall& one) {
  std::puts(ramie::to_json(one).c_str());
  ++told;
}

// Adds up until the watch has told of it.
unsigned long add_up(int until) {
  unsigned long sum = 0;
  while (told < until) sum += sum % 7 + 1;
  return sum;
}

}  // namespace

int main() {
  const ramie::stall_watch watch({.threshold = 5ms, .report = &report});
  unsigned long sum = 0;
  ramie::run([&](ramie::scope& s) {
    s.spawn([] { ramie::this_task::sleep_for(1ms); }, {.name = "patient"});
    s.spawn([&] { sum = add_up(1); }, {.name = "adds up"});
    s.spawn(
        [] {
          while (told < 3) usleep(20'000);
        },
        {.name = "blocks"});
  });
  std::printf("%llu stalls; the sum is %s\n", static_cast<unsigned long long>(watch.counts().stalls),
              sum == 0 ? "0" : "not 0");
  return told >= 3 ? 0 : 1;
}
