#include <ramie/coroutine.hpp>
#include <ramie/fiber.hpp>

#include <iostream>
#include <string>

int main() {
  ramie::fiber greeter([] {
    std::cout << "hello";
    ramie::this_fiber::suspend();  // back to main(), which resumes us later
    std::cout << ", world\n";
  });
  greeter.resume();
  std::cout << " from two stacks";
  greeter.resume();

  // Values both ways: each word goes in, the length of all so far comes out.
  ramie::coroutine<std::size_t(std::string)> length([](auto& yield, std::string word) {
    for (std::size_t sum = word.size();; sum += word.size()) word = yield(sum);
    return std::size_t{0};
  });
  for (const char* word : {"one", "two", "three"}) std::cout << word << " -> " << length.resume(word) << '\n';
}
