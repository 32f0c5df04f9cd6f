// expect: no matching
#include <ramie/generator.hpp>

int main() {
  ramie::generator<int> g([](auto& yield) { yield(1); });
#ifdef RAMIE_FIXED
  for (auto [i, x] : g.with_index(1)) static_cast<void>(i + x);
#else
  for (auto [i, x] : g.with_index("1")) static_cast<void>(i + x);
#endif
}
