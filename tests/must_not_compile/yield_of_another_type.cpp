// expect: no match|convert|conversion|no viable
#include <ramie/coroutine.hpp>

#include <string>

void make() {
  ramie::coroutine<std::string(int)> c([](ramie::yielder<std::string(int)>& yield, int) {
#if defined(RAMIE_FIXED)
    yield("text");
#else
    struct other {};
    yield(other{});
#endif
    return std::string();
  });
}
