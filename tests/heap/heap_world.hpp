// The world of a heap test: a heap, some types, and a look at what is left behind.
#pragma once

#include <ramie/heap.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace ramie::test {

struct leaf {
  std::uint64_t value = 0;
};

struct node {
  ref<node> left, right;
  std::uint64_t value = 0;
  void trace(visitor& visit) const { visit(left, right); }
};

// Counts its destructions, and has refs in memory that its destructor frees.
struct holder {
  explicit holder(int* counter) : destroyed(counter) {}
  ~holder() { ++*destroyed; }
  holder(const holder&) = delete;
  holder& operator=(const holder&) = delete;
  std::vector<ref<node>> held;
  int* destroyed;
  void trace(visitor& visit) const { visit(held); }
};

template <std::size_t Bytes>
struct sized {
  ref<node> child;
  std::array<char, Bytes - sizeof(ref<node>)> rest{};
  void trace(visitor& visit) const { visit(child); }
};

// A list of `length` nodes whose values count down to 1.
inline root<node> make_list(heap& h, std::uint64_t length) {
  root<node> first = h.make<node>();
  first->value = 1;
  for (std::uint64_t at = 2; at <= length; ++at) {
    root<node> next = h.make<node>();
    next->value = at;
    next->left = first;
    first = std::move(next);
  }
  return first;
}

inline std::uint64_t list_length(ref<node> first) {
  std::uint64_t length = 0;
  for (ref<node> at = first; at; at = at->left) ++length;
  return length;
}

// Expects a sound heap, and no roots that the test forgot, when it ends.
class heap_world : public testing::Test {
 protected:
  explicit heap_world(const heap_options& options = {.collect_automatically = false}) : h(options) {}
  void TearDown() override {
    EXPECT_TRUE(faults().empty()) << faults();
    EXPECT_EQ(h.statistics().roots, 0u);
  }
  std::string faults() const {
    std::string lines;
    for (const std::string& fault : h.verify()) lines += fault + "\n";
    return lines;
  }
  heap_statistics stats() const { return h.statistics(); }

  heap h;
};

// Runs body in a forked child; what it returned, or -1 when the child died otherwise. A failed expectation counts
// as 99.
template <class Body>
int in_child(Body body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    int result = 98;
    try {
      result = body();
      if (testing::Test::HasFailure()) result = 99;
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "in the child: %s\n", failure.what());
    }
    std::fflush(nullptr);
    _exit(result);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace ramie::test
