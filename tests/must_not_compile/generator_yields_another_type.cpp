// expect: no match for call|no matching function
#include <ramie/generator.hpp>

int main() {
#ifdef RAMIE_FIXED
  ramie::generator<int> g([](ramie::pusher<int>& yield) { yield(1); });
#else
  ramie::generator<int> g([](ramie::pusher<int>& yield) { yield("one"); });
#endif
  static_cast<void>(g.next());
}
