// expect: nodiscard|unused
#include <ramie/fiber.hpp>

void make(ramie::fiber& f) {
#if defined(RAMIE_FIXED)
  if (f.done()) f = ramie::fiber();
#else
  f.done();
#endif
}
