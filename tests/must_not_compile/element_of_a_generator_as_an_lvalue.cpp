// expect: cannot bind
#include <ramie/generator.hpp>

int main() {
  ramie::generator<int> g([](auto& yield) { yield(1); });
#ifdef RAMIE_FIXED
  for (int&& x : g) static_cast<void>(x);
#else
  for (int& x : g) static_cast<void>(x);
#endif
}
