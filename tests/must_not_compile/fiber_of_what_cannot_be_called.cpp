// expect: no matching (function|constructor)
#include <ramie/fiber.hpp>

void make() {
#if defined(RAMIE_FIXED)
  ramie::fiber f([] {});
#else
  ramie::fiber f(42);
#endif
}
