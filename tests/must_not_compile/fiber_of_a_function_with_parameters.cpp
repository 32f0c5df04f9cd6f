// expect: no matching (function|constructor)
#include <ramie/fiber.hpp>

void make() {
#if defined(RAMIE_FIXED)
  ramie::fiber f([x = 1] { static_cast<void>(x); });
#else
  ramie::fiber f([](int) {});
#endif
}
