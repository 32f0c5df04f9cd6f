// A regular expression that backtracks for ever, while 10,000 other tasks keep their time.
//
// PCRE2 calls us back before each step of a match (PCRE2_AUTO_CALLOUT). There the task is charged one reduction: when a
// slice of 4,000 is used up the others run, in the middle of the match. The same place hears that the task was told to
// go, and ends the match by PCRE2's own error, for no exception may pass through a library in C. Without this the
// others starve, which is shown second.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ramie/runtime.hpp>

#include <pcre2.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

template <auto Free>
struct freed {
  template <class T>
  void operator()(T* one) const {
    Free(one);
  }
};
using code = std::unique_ptr<pcre2_code, freed<pcre2_code_free>>;
using match_data = std::unique_ptr<pcre2_match_data, freed<pcre2_match_data_free>>;
using match_context = std::unique_ptr<pcre2_match_context, freed<pcre2_match_context_free>>;

// What one match is to do at each of its steps.
struct stepping {
  bool yields = true;
  steady_clock::time_point give_up = steady_clock::time_point::max();  // for one that does not yield
  std::uint64_t steps = 0;
  std::exception_ptr told_to_go;
};

int before_each_step(pcre2_callout_block*, void* data) {
  auto& match = *static_cast<stepping*>(data);
  ++match.steps;
  if (!match.yields) return match.steps % 4096 == 0 && steady_clock::now() > match.give_up ? PCRE2_ERROR_CALLOUT : 0;
  ramie::this_task::reduce(1);
  try {
    ramie::this_task::check();
    return 0;
  } catch (...) {
    match.told_to_go = std::current_exception();  // goes on in matches(), on our side of the library
    return PCRE2_ERROR_CALLOUT;
  }
}

// Throws what the task was told, and std::runtime_error for a wrong pattern.
bool matches(const std::string& pattern, const std::string& subject, stepping& how) {
  const auto text = [](const std::string& from) { return reinterpret_cast<PCRE2_SPTR>(from.data()); };
  int error = 0;
  std::size_t place = 0;
  const code compiled(pcre2_compile(text(pattern), pattern.size(), PCRE2_AUTO_CALLOUT, &error, &place, nullptr));
  if (compiled == nullptr) throw std::runtime_error("the pattern is wrong at " + std::to_string(place));
  const match_data found(pcre2_match_data_create_from_pattern(compiled.get(), nullptr));
  const match_context context(pcre2_match_context_create(nullptr));
  if (found == nullptr || context == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(context.get(), UINT32_MAX);  // its own cure: an error after ten million steps
  pcre2_set_callout(context.get(), &before_each_step, &how);
  const int result = pcre2_match(compiled.get(), text(subject), subject.size(), 0, 0, found.get(), context.get());
  if (how.told_to_go != nullptr) std::rethrow_exception(how.told_to_go);
  return result >= 0;
}

// 10,000 tasks that want to wake every 10 ms, while `work` runs: how late they do, in milliseconds, p99.
template <class F>
double lateness_beside(F work) {
  constexpr std::size_t others = 10'000;
  std::vector<double> late_ms;
  ramie::run([&](ramie::scope& s) {
    for (std::size_t i = 0; i < others; ++i) {
      s.spawn(
          [&late_ms, i] {
            auto due = steady_clock::now() + std::chrono::microseconds(i);
            for (;;) {
              due = std::max(due + 10ms, steady_clock::now());
              ramie::this_task::sleep_until(due);
              late_ms.push_back(std::chrono::duration<double, std::milli>(steady_clock::now() - due).count());
            }
          },
          {.name = "other", .transient = true});
    }
    ramie::this_task::sleep_for(100ms);
    late_ms.clear();
    s.spawn(work, {.stack_bytes = 256 << 10, .name = "matcher"});
  });
  if (late_ms.empty()) return 0;
  std::sort(late_ms.begin(), late_ms.end());
  return late_ms[(late_ms.size() - 1) * 99 / 100];
}

}  // namespace

int main() {
  const std::string pattern = "^(a+)+$", subject = std::string(64, 'a') + "b";
  std::uint64_t steps = 0;
  const double yielding_ms = lateness_beside([&] {
    stepping how;
    const bool ended = ramie::try_for(1500ms, [&] { static_cast<void>(matches(pattern, subject, how)); });
    steps = how.steps;
    std::printf("%s on 64 times 'a' and a 'b': %s\n", pattern.c_str(), ended ? "ended" : "called off after 1.5 s");
  });
  std::printf("with reductions:    %llu steps, 10,000 others woke %.1f ms late (p99)\n",
              static_cast<unsigned long long>(steps), yielding_ms);

  const double starved_ms = lateness_beside([&] {
    stepping how;
    how.yields = false;
    how.give_up = steady_clock::now() + 500ms;
    static_cast<void>(matches(pattern, subject, how));
    steps = how.steps;
    ramie::this_task::sleep_for(20ms);  // the others find out how late they are
  });
  std::printf("without reductions: %llu steps, 10,000 others woke %.1f ms late (p99)\n",
              static_cast<unsigned long long>(steps), starved_ms);
}
