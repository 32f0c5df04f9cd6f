// expect: deleted
#include <ramie/fiber.hpp>

void make() {
  ramie::fiber one([] {});
#if defined(RAMIE_FIXED)
  ramie::fiber two = std::move(one);
#else
  ramie::fiber two = one;
#endif
}
