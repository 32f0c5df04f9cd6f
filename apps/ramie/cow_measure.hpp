// What `bench cow` measures with: children that send a number home, a family that waits, and the table of results.
#pragma once

#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace ramie::app {

double now_ms();

// Forks, runs `body` in the child with a pipe's writing end, and reads `bytes` from it. Throws when the child sends
// less.
void run_in_child(const std::function<void(int pipe)>& body, void* result, std::size_t bytes);
void send(int pipe, const void* data, std::size_t bytes);

template <class Result, class Body>
Result in_child(Body body) {
  static_assert(std::is_trivially_copyable_v<Result>);
  Result result{};
  run_in_child(
      [&](int pipe) {
        const Result made = body();
        send(pipe, &made, sizeof made);
      },
      &result, sizeof result);
  return result;
}

// Children that all run `body` and then wait until the family ends.
class family {
 public:
  family(std::size_t count, const std::function<void()>& body);
  ~family();
  family(const family&) = delete;
  family& operator=(const family&) = delete;
  [[nodiscard]] double proportional_mb() const;

 private:
  std::vector<int> processes_;
  std::array<int, 2> done_{};
  std::array<int, 2> go_{};
};

// Values by case and library, printed as design section "What benchmarks print" asks.
class results {
 public:
  explicit results(std::string bench) : bench_(std::move(bench)) {}
  void add(const std::string& name, const std::string& library, double n, const std::string& unit, double value);
  void print(bool json) const;

 private:
  struct row {
    std::string name, library, unit;
    double n;
    std::vector<double> values;
  };
  std::string bench_;
  std::vector<row> rows_;
};

}  // namespace ramie::app
