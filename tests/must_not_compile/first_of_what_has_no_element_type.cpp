// expect: no matching
#include <ramie/each.hpp>

int main() {
  const auto source = [](auto&& out) { out(1); };
#ifdef RAMIE_FIXED
  return ramie::first<int>(source);
#else
  return ramie::first(source);
#endif
}
