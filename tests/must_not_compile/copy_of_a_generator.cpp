// expect: deleted
#include <ramie/generator.hpp>

#include <utility>

int main() {
  ramie::generator<int> g([](auto& yield) { yield(1); });
#ifdef RAMIE_FIXED
  ramie::generator<int> other = std::move(g);
#else
  ramie::generator<int> other = g;
#endif
  static_cast<void>(other.next());
}
