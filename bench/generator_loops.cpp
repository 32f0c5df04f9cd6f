#include "generator_loops.hpp"

#include "baseline/stackless.hpp"
#include "bench_fibers_loops.hpp"

#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/coroutine2/all.hpp>
#include <cstdint>

namespace ramie::peer {
namespace {

using app::thread_time_ns;
using app::tree_node;
template <class T>
using pull = typename boost::coroutines2::coroutine<T>::pull_type;
template <class T>
using push = typename boost::coroutines2::coroutine<T>::push_type;

double per_item(double start, std::size_t count, bool right) {
  return right ? (thread_time_ns() - start) / static_cast<double>(count) : -1;
}

template <class F>
double with_stacks(coroutine_stacks kind, F f) {
  if (kind == coroutine_stacks::fixedsize) return f(boost::context::fixedsize_stack());
  static boost::context::pooled_fixedsize_stack pool;
  return f(pool);
}

stackless<int> stackless_numbers(int count) {
  for (int i = 0; i < count; ++i) co_yield i;
}

stackless<std::uint64_t> stackless_walk(const tree_node* at) {
  if (at->left != nullptr) {
    stackless<std::uint64_t> left = stackless_walk(at->left);
    while (left.step()) co_yield left.value();
  }
  co_yield at->value;
  if (at->right != nullptr) {
    stackless<std::uint64_t> right = stackless_walk(at->right);
    while (right.step()) co_yield right.value();
  }
}

}  // namespace

double boost_sum_ns(coroutine_stacks kind, std::size_t count) {
  return with_stacks(kind, [count](auto stacks) {
    const double start = thread_time_ns();
    pull<int> numbers(stacks, [count](push<int>& yield) {
      for (int i = 0; i < static_cast<int>(count); ++i) yield(i);
    });
    std::uint64_t sum = 0;
    for (int x : numbers) sum += static_cast<std::uint64_t>(x);
    return per_item(start, count, sum == count * (count - 1) / 2);
  });
}

double boost_tree_ns(coroutine_stacks kind, const app::balanced_tree& tree) {
  return with_stacks(kind, [&tree](auto stacks) {
    const double start = thread_time_ns();
    pull<std::uint64_t> values(stacks, [&tree](push<std::uint64_t>& yield) {
      app::walk_tree(tree.root(), [&yield](const std::uint64_t& value) { yield(value); });
    });
    std::uint64_t sum = 0;
    for (std::uint64_t value : values) sum += value;
    return per_item(start, tree.size(), sum == tree.sum());
  });
}

double boost_make_one_ns(coroutine_stacks kind, std::size_t times) {
  return with_stacks(kind, [times](auto stacks) {
    std::size_t sum = 0;
    const double start = thread_time_ns();
    for (std::size_t i = 0; i < times; ++i) {
      pull<int> one(stacks, [](push<int>& yield) {
        for (int x = 1;; ++x) yield(x);
      });
      sum += static_cast<std::size_t>(one.get());
    }
    return per_item(start, times, sum == times);
  });
}

double stackless_sum_ns(std::size_t count) {
  const double start = thread_time_ns();
  stackless<int> numbers = stackless_numbers(static_cast<int>(count));
  std::uint64_t sum = 0;
  while (numbers.step()) sum += static_cast<std::uint64_t>(numbers.value());
  return per_item(start, count, sum == count * (count - 1) / 2);
}

double stackless_tree_ns(const app::balanced_tree& tree) {
  const double start = thread_time_ns();
  stackless<std::uint64_t> values = stackless_walk(tree.root());
  std::uint64_t sum = 0;
  while (values.step()) sum += values.value();
  return per_item(start, tree.size(), sum == tree.sum());
}

double stackless_make_one_ns(std::size_t times) {
  std::size_t sum = 0;
  const double start = thread_time_ns();
  for (std::size_t i = 0; i < times; ++i) {
    stackless<int> one = stackless_numbers(static_cast<int>(i % 7 + 2));
    one.step();
    one.step();
    sum += static_cast<std::size_t>(one.value());
  }
  return per_item(start, times, sum == times);
}

}  // namespace ramie::peer
