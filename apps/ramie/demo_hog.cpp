// `ramie demo hog`: one task matches a pattern that backtracks for ever, and a thousand others wait.
//
// First nobody says why; then the watch names the task and the line; then the same match gives way by reductions.
#include "demo.hpp"

#include <ramie/runtime.hpp>
#include <ramie/stall_watch.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <string_view>

namespace ramie::app {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

// (a|aa)+$ on "aaa...b": each position is tried in two ways.
bool backtrack(std::string_view text, bool gives_way, clock::time_point end) {
  if (gives_way) this_task::reduce();
  if (clock::now() >= end) return false;
  if (text == "b") return false;
  if (text.empty()) return true;
  return backtrack(text.substr(1), gives_way, end) || (text.size() > 2 && backtrack(text.substr(2), gives_way, end));
}

struct waits {
  std::int64_t longest_ms = 0;
};

// A thousand tasks that want to wake every 10 ms, beside one match of 300 ms.
waits run_beside_a_match(bool gives_way) {
  waits seen;
  run([&](scope& s) {
    const clock::time_point end = clock::now() + 300ms;
    for (int i = 0; i < 1000; ++i) {
      s.spawn(
          [&seen, end] {
            while (clock::now() < end) {
              const auto due = clock::now() + 10ms;
              this_task::sleep_until(due);
              const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - due);
              seen.longest_ms = std::max<std::int64_t>(seen.longest_ms, late.count());
            }
          },
          {.name = "heartbeat"});
    }
    s.spawn(
        [gives_way, end] {
          this_task::sleep_for(20ms);
          backtrack("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", gives_way, end);
        },
        {.name = "match"});
  });
  return seen;
}

}  // namespace

int demo_hog(const demo_options&) {
  fmt::print("a match that backtracks for ever, and a thousand tasks that wake every 10 ms:\n");
  fmt::print("  the latest of them came {} ms late, and nobody knows why\n\n", run_beside_a_match(false).longest_ms);
  fmt::print("the same under a stall_watch:\n");
  {
    const stall_watch watch({.report = [](const stall& one) { fmt::print("  {}", describe(one)); }});
    run_beside_a_match(false);
  }
  fmt::print("\nthe same with this_task::reduce() in the match:\n");
  const stall_watch watch({.report = [](const stall& one) { fmt::print("  {}", describe(one)); }});
  const waits seen = run_beside_a_match(true);
  fmt::print("  the latest of them came {} ms late; stalls: {}\n", seen.longest_ms, watch.counts().stalls);
  return 0;
}

}  // namespace ramie::app
