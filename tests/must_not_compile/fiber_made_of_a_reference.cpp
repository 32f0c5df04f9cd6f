// expect: no matching (function|constructor)|conversion
#include <ramie/fiber.hpp>

void make(ramie::fiber_ref ref) {
#if defined(RAMIE_FIXED)
  ramie::fiber f([ref]() mutable { static_cast<void>(ref.done()); });
#else
  ramie::fiber f(ref);
#endif
}
