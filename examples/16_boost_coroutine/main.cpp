// Boost.Coroutine2 as before: a tree is walked by recursion, and its values are pulled one by one.
#include <ramie/boost_stack.hpp>

#include <boost/coroutine2/coroutine.hpp>
#include <iostream>
#include <memory>

namespace {

struct node {
  int value;
  std::unique_ptr<node> left, right;
};

std::unique_ptr<node> tree(int low, int high) {
  if (low > high) return nullptr;
  const int middle = (low + high) / 2;
  return std::make_unique<node>(node{middle, tree(low, middle - 1), tree(middle + 1, high)});
}

using coroutine = boost::coroutines2::coroutine<int>;

void walk(const node* at, coroutine::push_type& yield) {
  if (at == nullptr) return;
  walk(at->left.get(), yield);
  yield(at->value);
  walk(at->right.get(), yield);
}

}  // namespace

int main() {
  const auto root = tree(1, 15);
  coroutine::pull_type values(ramie::boost_stack(0, "walk"),
                              [&](coroutine::push_type& yield) { walk(root.get(), yield); });
  for (int value : values) std::cout << value << ' ';
  std::cout << '\n';
}
