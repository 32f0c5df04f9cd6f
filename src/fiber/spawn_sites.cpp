#include "fiber/spawn_sites.hpp"

#include "fiber/slab.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace ramie::inline v0::control {
namespace {

struct site_count {
  const char* file = nullptr;
  std::uint32_t line = 0;
  std::uint64_t fibers = 0;
};

// A program has few places that make fibers; those beyond the table are counted together.
struct site_table {
  std::array<site_count, 64> sites{};
  std::uint64_t elsewhere = 0;
  std::uint64_t total = 0;

  void count(const char* file, std::uint32_t line) noexcept {
    ++total;
    for (site_count& site : sites) {
      if (site.file == nullptr) site = {file, line, 0};
      if (site.line == line && (site.file == file || std::strcmp(site.file, file) == 0)) {
        ++site.fibers;
        return;
      }
    }
    ++elsewhere;
  }
};

}  // namespace

stack_error with_spawn_sites(const stack_error& refused) {
  site_table table;
  for_each_block(
      [](control_block* block, void* argument) {
        if (block->stack_high == 0 || (block->flags & is_root) != 0) return;  // holds no stack
        static_cast<site_table*>(argument)->count(cold(block).file, cold(block).line);
      },
      &table);
  std::string cure = refused.cure();
  if (table.total != 0) {
    std::sort(table.sites.begin(), table.sites.end(), [](auto& a, auto& b) { return a.fibers > b.fibers; });
    cure += ". " + std::to_string(table.total) + " fibers hold stacks; most were made at";
    for (std::size_t i = 0; i < 3 && table.sites[i].fibers != 0; ++i) {
      const char* slash = std::strrchr(table.sites[i].file, '/');
      cure += (i == 0 ? " " : ", ") + std::string(slash == nullptr ? table.sites[i].file : slash + 1) + ":" +
              std::to_string(table.sites[i].line) + " (" + std::to_string(table.sites[i].fibers) + ")";
    }
  }
  const std::string what = refused.what();
  const std::string text = what.substr(0, what.find(". " + refused.cure()));
  return {
      static_cast<std::errc>(refused.code().value()), refused.limit(), refused.used(), refused.allowed(), text, cure};
}

}  // namespace ramie::inline v0::control
