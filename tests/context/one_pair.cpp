// A resume and a suspend, as often as the argument says: what switch_cost_test.py counts the instructions of.
#include <ramie/fiber.hpp>

#include <cstdlib>

int main(int count, char** arguments) {
  const long pairs = count > 1 ? std::atol(arguments[1]) : 1;
  ramie::fiber f([] {
    while (true) ramie::this_fiber::suspend();
  });
  for (long i = 0; i < pairs; ++i) f.resume();
}
