// `ramie bench cow`: what a forked child pays for a collection. docs/design/heap.md has the table and what it means.
#pragma once

#include <cstddef>

namespace ramie::app {

struct cow_options {
  std::size_t heap_mib = 200;
  double garbage = 0.01;
  std::size_t allocations = 100'000;
  std::size_t family_mib = 256;  // the frozen heap that `children` share
  std::size_t children = 16;
  std::size_t parked_fibers = 100'000;
  std::size_t runs = 5;
  bool json = false;
  bool quick = false;
  bool smoke = false;  // smaller and fewer, within 20 seconds
};

// Prints a table, or with `json` one object. The exit status: 0, or 1 when a child could not be measured.
int bench_cow(cow_options options);

}  // namespace ramie::app
