// expect: deleted
#include <ramie/fiber.hpp>

void make() {
  ramie::fiber one([] {}), two;
#if defined(RAMIE_FIXED)
  two = std::move(one);
#else
  two = one;
#endif
}
