// expect: no match for call|no matching function|cannot bind
#include <ramie/generator.hpp>

int main() {
  int mine = 1;
#ifdef RAMIE_FIXED
  ramie::generator<int&> g([&mine](ramie::pusher<int&>& yield) { yield(mine); });
#else
  ramie::generator<int&> g([&mine](ramie::pusher<int&>& yield) { yield(mine + 1); });
#endif
  static_cast<void>(g.next());
}
