// expect: constraint|copyable
#include <ramie/fiber.hpp>

#include <memory>

#if defined(RAMIE_FIXED)
ramie::fiber_local<std::shared_ptr<int>> value;
#else
ramie::fiber_local<std::unique_ptr<int>> value;
#endif
