// expect: no matching
#include <ramie/generator.hpp>

int main() {
#ifdef RAMIE_FIXED
  ramie::generator<int> g([](auto& yield) { yield(1); });
#else
  ramie::generator<int> g([] { return 1; });
#endif
  static_cast<void>(g.next());
}
