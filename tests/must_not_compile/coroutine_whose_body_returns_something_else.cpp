// expect: no matching (function|constructor)
#include <ramie/coroutine.hpp>

#include <string>

void make() {
  using yielder = ramie::yielder<std::string(int)>;
#if defined(RAMIE_FIXED)
  ramie::coroutine<std::string(int)> c([](yielder&, int) { return std::string(); });
#else
  struct other {};
  ramie::coroutine<std::string(int)> c([](yielder&, int) { return other{}; });
#endif
}
