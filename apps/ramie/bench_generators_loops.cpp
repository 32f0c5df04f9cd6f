#include "bench_generators_loops.hpp"

#include "bench_fibers_loops.hpp"

#include <ramie/generator.hpp>

#include <string>

namespace ramie::app {
namespace {

double per_item(double start, std::size_t count, bool right) {
  return right ? (thread_time_ns() - start) / static_cast<double>(count) : -1;
}

generator<int> numbers_below(int count) {
  return generator<int>([count](auto& yield) {
    for (int i = 0; i < count; ++i) yield(i);
  });
}

struct answering_each {
  using value_type = int;
  static constexpr bool each_stops = true;
  const std::vector<int>& all;
  template <class Callback>
  void each(Callback&& callback) const {
    for (int x : all) {
      if (!callback(x)) return;
    }
  }
};
struct deaf_each {
  using value_type = int;
  const std::vector<int>& all;
  template <class Callback>
  void each(Callback&& callback) const {
    for (int x : all) callback(x);
  }
};

// Keeps the compiler from knowing what is in it.
template <class T>
void hide(T& object) {
  asm volatile("" : : "r"(&object) : "memory");
}

template <class Take>
double take_ns(std::size_t times, Take take) {
  std::vector<int> numbers{1, 2, 3};
  std::size_t sum = 0;
  const double start = thread_time_ns();
  for (std::size_t i = 0; i < times; ++i) {
    hide(numbers);
    sum += static_cast<std::size_t>(take(numbers));
  }
  return per_item(start, times, sum == times);
}

}  // namespace

balanced_tree::balanced_tree(std::size_t count) : nodes_(count), root_(build(0, count)) {}

tree_node* balanced_tree::build(std::size_t low, std::size_t high) {
  if (low == high) return nullptr;
  const std::size_t middle = low + (high - low) / 2;
  nodes_[middle] = {build(low, middle), build(middle + 1, high), middle};
  return &nodes_[middle];
}

double sum_ns(std::size_t count) {
  const double start = thread_time_ns();
  std::uint64_t sum = 0;
  for (int x : numbers_below(static_cast<int>(count))) sum += static_cast<std::uint64_t>(x);
  return per_item(start, count, sum == count * (count - 1) / 2);
}

double sum_next_ns(std::size_t count) {
  generator<int> numbers = numbers_below(static_cast<int>(count));
  const double start = thread_time_ns();
  std::uint64_t sum = 0;
  while (auto x = numbers.next()) sum += static_cast<std::uint64_t>(*x);
  return per_item(start, count, sum == count * (count - 1) / 2);
}

double tree_ns(const balanced_tree& tree) {
  const double start = thread_time_ns();
  std::uint64_t sum = 0;
  generator<const std::uint64_t&> values([&tree](auto& yield) { walk_tree(tree.root(), yield); });
  for (const std::uint64_t& value : values) sum += value;
  return per_item(start, tree.size(), sum == tree.sum());
}

double first_ns(first_of kind, std::size_t times) {
  switch (kind) {
    case first_of::range:
      return take_ns(times, [](const std::vector<int>& numbers) { return first(numbers); });
    case first_of::plain_loop:
      return take_ns(times, [](const std::vector<int>& numbers) {
        for (int x : numbers) return x;
        return 0;
      });
    case first_of::answering_each:
      return take_ns(times, [](const std::vector<int>& numbers) { return first(answering_each{numbers}); });
    case first_of::deaf_each:
      return take_ns(times, [](const std::vector<int>& numbers) { return first(deaf_each{numbers}); });
  }
  return -1;
}

double make_one_ns(one_of kind, std::size_t times) {
  switch (kind) {
    case one_of::loop:
      return take_ns(times, [](const std::vector<int>& numbers) {
        generator<int> g([&numbers](auto& yield) {
          for (int x : numbers) yield(x);
        });
        return *g.next();
      });
    case one_of::range:
      return take_ns(times, [](const std::vector<int>& numbers) { return *generator<const int&>(numbers).peek(); });
    case one_of::destructor:
      return take_ns(times, [](const std::vector<int>& numbers) {
        generator<int> g([&numbers](auto& yield) {
          std::string due("due");
          hide(due);
          for (int x : numbers) yield(x);
        });
        return *g.next();
      });
  }
  return -1;
}

}  // namespace ramie::app
