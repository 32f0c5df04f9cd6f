// expect: deleted
#include <ramie/coroutine.hpp>

void make() {
  ramie::coroutine<int()> one([](auto&) { return 1; });
#if defined(RAMIE_FIXED)
  ramie::coroutine<int()> two = std::move(one);
#else
  ramie::coroutine<int()> two = one;
#endif
}
