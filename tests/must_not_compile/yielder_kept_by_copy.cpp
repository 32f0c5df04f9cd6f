// expect: deleted
#include <ramie/coroutine.hpp>

void make() {
  ramie::coroutine<int()> c([](ramie::yielder<int()>& yield) {
#if defined(RAMIE_FIXED)
    auto& kept = yield;
#else
    auto kept = yield;
#endif
    kept(1);
    return 2;
  });
}
