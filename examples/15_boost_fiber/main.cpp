// Boost.Fiber as before, ten thousand of them, each on a guarded stack.
#include <ramie/boost_stack.hpp>

#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/fiber.hpp>
#include <iostream>
#include <vector>

int main() {
  boost::fibers::buffered_channel<long> numbers(64);
  std::vector<boost::fibers::fiber> adders;
  for (long i = 1; i <= 10000; ++i) {
    adders.emplace_back(std::allocator_arg, ramie::boost_stack(16 << 10, "adder"), [&numbers, i] { numbers.push(i); });
  }
  long sum = 0;
  for (std::size_t i = 0; i < adders.size(); ++i) sum += numbers.value_pop();
  for (auto& one : adders) one.join();
  std::cout << adders.size() << " guarded fibers, sum " << sum << '\n';
}
