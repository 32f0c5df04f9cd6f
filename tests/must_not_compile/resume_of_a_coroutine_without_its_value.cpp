// expect: too few arguments|no matching
#include <ramie/coroutine.hpp>

void make() {
  ramie::coroutine<int(int)> c([](auto&, int x) { return x; });
#if defined(RAMIE_FIXED)
  c.resume(1);
#else
  c.resume();
#endif
}
