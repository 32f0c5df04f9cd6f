// expect: incomplete type|undefined template
#include <ramie/coroutine.hpp>

void make() {
#if defined(RAMIE_FIXED)
  ramie::coroutine<int()> c;
#else
  ramie::coroutine<int> c;
#endif
}
