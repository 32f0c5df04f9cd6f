// expect: no matching|deleted
#include <ramie/fiber.hpp>

#include <memory>

void make() {
  auto body = [owned = std::make_unique<int>(1)] { static_cast<void>(owned); };
#if defined(RAMIE_FIXED)
  ramie::fiber f(std::move(body));
#else
  ramie::fiber f(body);
#endif
}
