// expect: T is a value or an lvalue reference
#include <ramie/generator.hpp>

int main() {
#ifdef RAMIE_FIXED
  ramie::generator<int> g([](auto& yield) { yield(1); });
#else
  ramie::generator<int&&> g([](auto& yield) { yield(1); });
#endif
  static_cast<void>(g.next());
}
