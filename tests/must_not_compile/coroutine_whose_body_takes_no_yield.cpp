// expect: no matching (function|constructor)
#include <ramie/coroutine.hpp>

void make() {
#if defined(RAMIE_FIXED)
  ramie::coroutine<int(int)> c([](auto&, int x) { return x; });
#else
  ramie::coroutine<int(int)> c([](int x) { return x; });
#endif
}
