// What a thread's fibers refer to keeps objects of a heap alive: plain pointers and refs in their local variables.
//
// Status: experimental.
//
//     ramie::heap h;
//     ramie::fiber_roots fibers;               // of this thread
//     h.add_root_source(fibers);
//
// Stacks are read conservatively: any word that looks like an address inside an object keeps it. Only what ran since
// the last collection is read, so a stop grows with that and not with the number of parked fibers. What a fiber's
// function has captured is not on its stack: capture a root<T>. Link ramie::fiber and ramie::heap.
//
// Thread: the heap's, the fibers' and this must be the same.
#pragma once

#include <ramie/heap/types.hpp>
#include <ramie/parked_stacks.hpp>

#include <cstdint>
#include <vector>

namespace ramie {

class fiber_roots final : public root_source, private stack_listener {
 public:
  void report(root_scan& scan) override {
    in_use_.clear();
    stacks_.look(*this);
    for (const root_range& each : in_use_) scan.range(each);
    scan.parked(generations_, ranges_);
  }

 private:
  void stack_at(std::uint32_t number, std::uint32_t generation, const void* begin, const void* end) override {
    if (number >= generations_.size()) {
      ranges_.resize(number + 1);
      generations_.resize(number + 1);
    }
    generations_[number] = generation;
    ranges_[number] = {begin, end};
  }
  void stack_in_use(const void* begin, const void* end) override { in_use_.push_back({begin, end}); }

  parked_stacks stacks_;
  std::vector<std::uint32_t> generations_;
  std::vector<root_range> ranges_;
  std::vector<root_range> in_use_;
};

}  // namespace ramie
