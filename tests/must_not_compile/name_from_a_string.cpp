// expect: consteval|constant expression
#include <ramie/fiber.hpp>

#include <string>

void make(const std::string& text) {
#if defined(RAMIE_FIXED)
  static_cast<void>(text);
  ramie::fiber f([] {}, {.name = "parser"});
#else
  ramie::fiber f([] {}, {.name = text.c_str()});
#endif
}
