// Boost.Context as before, on guarded stacks: the second and third argument are the change.
#include <ramie/boost_stack.hpp>

#include <boost/context/fiber.hpp>
#include <iostream>

int main() {
  namespace context = boost::context;
  int produced = 0;
  context::fiber producer(std::allocator_arg, ramie::boost_stack(32 << 10, "producer"), [&](context::fiber&& consumer) {
    for (produced = 1; produced <= 3; ++produced) consumer = std::move(consumer).resume();
    return std::move(consumer);
  });
  while ((producer = std::move(producer).resume())) std::cout << produced << '\n';
}
