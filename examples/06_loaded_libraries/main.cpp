// The libraries of this program: dl_iterate_phdr(), which calls back for each, as a range.
#include <ramie/generator.hpp>
#include <ramie/views.hpp>

#include <link.h>

#include <cstdio>
#include <string>

namespace {

struct library {
  std::string name;
  std::uintptr_t address;
};
using yield_type = ramie::pusher<library>;

int on_library(dl_phdr_info* info, std::size_t, void* yield) {
  return static_cast<yield_type*>(yield)->wants_more(library{info->dlpi_name, info->dlpi_addr}) ? 0 : 1;
}

// While such a generator is in the middle, its thread holds the loader's lock: others wait with dlopen() until it goes
// on. So ask for all and be done, or drop it soon.
ramie::generator<library> loaded_libraries() {
  return ramie::generator<library>([](yield_type& yield) { dl_iterate_phdr(&on_library, &yield); });
}

}  // namespace

int main() {
  for (auto [number, one] : loaded_libraries().with_index(1)) {
    std::printf("%d. %s\n", number, one.name.empty() ? "the program" : one.name.c_str());
  }
  const auto libc =
      ramie::find(loaded_libraries(), [](const library& one) { return one.name.find("libc.so") != std::string::npos; });
  std::printf("libc is %s\n", libc ? libc->name.c_str() : "linked in");
  return 0;
}
