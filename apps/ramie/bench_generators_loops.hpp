// The measured loops of `ramie bench generators`, as a user would write them. bench/peer_generators.cpp compiles the
// same file. Each returns nanoseconds of thread time for one item, or -1 when the items were not those that they should
// be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ramie::app {

struct tree_node {
  tree_node *left = nullptr, *right = nullptr;
  std::uint64_t value = 0;
};

// A balanced search tree of 0, 1, … below `count`, in one allocation.
class balanced_tree {
 public:
  explicit balanced_tree(std::size_t count);
  balanced_tree(const balanced_tree&) = delete;
  balanced_tree& operator=(const balanced_tree&) = delete;
  [[nodiscard]] const tree_node* root() const { return root_; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] std::uint64_t sum() const { return nodes_.size() * (nodes_.size() - 1) / 2; }

 private:
  tree_node* build(std::size_t low, std::size_t high);
  std::vector<tree_node> nodes_;
  tree_node* root_;
};

// In order, pushing each value: recursive, as one writes it.
template <class Push>
void walk_tree(const tree_node* at, const Push& push) {
  if (at == nullptr) return;
  walk_tree(at->left, push);
  push(at->value);
  walk_tree(at->right, push);
}

[[nodiscard]] double sum_ns(std::size_t count);       // range-for over generator<int>
[[nodiscard]] double sum_next_ns(std::size_t count);  // while (auto x = g.next())
[[nodiscard]] double tree_ns(const balanced_tree& tree);

// ramie::first on a vector; the loop that does the same by hand; on an each() that takes an answer; on one that does
// not and has to be stopped by an exception.
enum class first_of { range, plain_loop, answering_each, deaf_each };
[[nodiscard]] double first_ns(first_of kind, std::size_t times);

// The seeds' bug: a generator is made, asked once, and dropped. Over a function without a destructor that is due, over
// a range, and over a function with one (a std::string): that one has to be unwound.
enum class one_of { loop, range, destructor };
[[nodiscard]] double make_one_ns(one_of kind, std::size_t times);

}  // namespace ramie::app
