// expect: deleted
#include <ramie/fiber.hpp>

void make() {
  ramie::fiber_local<int> one(1);
#if defined(RAMIE_FIXED)
  ramie::fiber_local<int> two(*one);
#else
  ramie::fiber_local<int> two(one);
#endif
}
