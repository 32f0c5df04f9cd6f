#include "fiber/spawn_sites.hpp"

#include "fiber/slab.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>

namespace ramie::inline v0::control {
namespace {

struct site_count {
  const cold_block* example = nullptr;
  std::uint64_t fibers = 0;
};

bool same_site(const cold_block& a, const cold_block& b) noexcept {
  return a.line == b.line && a.operations == b.operations && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

// A program has few places that make fibers; those beyond the table are counted together.
struct site_table {
  std::array<site_count, 64> sites{};
  std::uint64_t total = 0;

  void count(const cold_block& about) noexcept {
    ++total;
    for (site_count& site : sites) {
      if (site.example == nullptr) site.example = &about;
      if (!same_site(*site.example, about)) continue;
      ++site.fibers;
      return;
    }
  }
};

bool is_library_header(const char* file) noexcept { return std::strstr(file, "/c++/") != nullptr; }

}  // namespace

void describe_site(const cold_block& about, char* text, std::size_t bytes) noexcept {
  if (!is_library_header(about.file) || about.operations == nullptr) {
    const char* slash = std::strrchr(about.file, '/');
    std::snprintf(text, bytes, "%s:%u", slash == nullptr ? about.file : slash + 1, about.line);
    return;
  }
  // "... [with F = main()::<lambda()>]" by g++, "... [F = (lambda at main.cpp:12:3)]" by clang.
  const char* spelled = about.operations->type();
  if (const char* begin = std::strstr(spelled, "F = "); begin != nullptr) spelled = begin + 4;
  std::size_t length = std::strlen(spelled);
  if (length != 0 && spelled[length - 1] == ']') --length;
  // clang names no function but the place, with the path that the compiler was given: the same words as above.
  unsigned line = 0;
  if (const char* colon = std::strchr(spelled, ':');
      std::strncmp(spelled, "(lambda at ", 11) == 0 && colon != nullptr && std::sscanf(colon, ":%u:", &line) == 1) {
    const char* file = spelled + 11;
    for (const char* at = file; at != colon; ++at) {
      if (*at == '/') file = at + 1;
    }
    std::snprintf(text, bytes, "%.*s:%u", static_cast<int>(colon - file), file, line);
    return;
  }
  std::snprintf(text, bytes, "%.*s", static_cast<int>(length), spelled);
}

stack_error with_spawn_sites(const stack_error& refused) {
  site_table table;
  for_each_block(
      [](control_block* block, void* argument) {
        if (__atomic_load_n(&block->stack_high, __ATOMIC_RELAXED) == 0) return;  // holds no stack
        if (cold(block).operations == nullptr) return;                           // a root
        static_cast<site_table*>(argument)->count(cold(block));
      },
      &table);
  std::string cure = refused.cure();
  if (table.total != 0) {
    std::sort(table.sites.begin(), table.sites.end(), [](auto& a, auto& b) { return a.fibers > b.fibers; });
    cure += ". " + std::to_string(table.total) + " fibers hold stacks; most were made at";
    for (std::size_t i = 0; i < 3 && table.sites[i].fibers != 0; ++i) {
      char place[160];
      describe_site(*table.sites[i].example, place, sizeof place);
      cure += std::string(i == 0 ? " " : ", ") + place + " (" + std::to_string(table.sites[i].fibers) + ")";
    }
  }
  const std::string what = refused.what();
  const std::string text = what.substr(0, what.find(". " + refused.cure()));
  return {
      static_cast<std::errc>(refused.code().value()), refused.limit(), refused.used(), refused.allowed(), text, cure};
}

}
