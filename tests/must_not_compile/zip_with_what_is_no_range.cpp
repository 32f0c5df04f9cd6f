// expect: no match for call|no matching function
#include <ramie/views.hpp>

#include <vector>

int main() {
  std::vector<int> numbers{1, 2};
#ifdef RAMIE_FIXED
  for (auto [a, b] : ramie::views::zip(numbers, numbers)) static_cast<void>(a + b);
#else
  for (auto [a, b] : ramie::views::zip(numbers, 42)) static_cast<void>(a + b);
#endif
}
