// What the generator's tests share: the clean world of the behaviour cases, and a few sources.
#pragma once

#include "cases/world.hpp"

#include <ramie/generator.hpp>

#include <functional>
#include <string>
#include <vector>

namespace generators {

using cases::clean_world;
using cases::expect_refusal;
using cases::mark;
using ramie::fiber_errc;
using ramie::generator;

// Pushes 0, 1, 2, … below `count`.
inline auto counting(int count) {
  return [count](auto& yield) {
    for (int i = 0; i < count; ++i) yield(i);
  };
}

template <class Range>
auto collect(Range&& range) {
  std::vector<std::ranges::range_value_t<Range>> all;
  for (auto&& value : range) all.push_back(std::forward<decltype(value)>(value));
  return all;
}

// How many stacks were handed out while `f` ran.
template <class F>
std::uint64_t stacks_taken(F&& f) {
  const std::uint64_t before = ramie::count_stacks().acquired;
  std::forward<F>(f)();
  return ramie::count_stacks().acquired - before;
}

}  // namespace generators
