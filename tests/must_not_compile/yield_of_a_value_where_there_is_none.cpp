// expect: no match|too many arguments
#include <ramie/coroutine.hpp>

void make() {
  ramie::coroutine<void(int)> c([](ramie::yielder<void(int)>& yield, int) {
#if defined(RAMIE_FIXED)
    yield();
#else
    yield(1);
#endif
  });
}
