// How many mprotect guards this process may still make: vm.max_map_count less what is used and what must stay free.
//
// We refuse before the kernel does, so that malloc, dlopen and thread creation still work for the rest of the process.
// Reading /proc/self/maps costs a microsecond a line, so it is read again only when the estimate comes near.
// The pool's lock guards it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ramie::stack {

class mapping_budget {
 public:
  static mapping_budget& instance() noexcept;

  // Takes up to `wanted` guards, at least one, or throws stack_error.
  std::size_t take_guards(std::size_t wanted);
  void return_guards(std::size_t count) noexcept;
  // A forked child has the same mappings; other mappings may have come and gone: count again at next use.
  void recount() noexcept { counted_ = false; }

 private:
  std::uint64_t room() noexcept;

  bool counted_ = false;
  std::uint64_t allowed_ = 0;
  std::uint64_t kept_free_ = 0;
  std::uint64_t in_use_ = 0;       // an estimate between counts
  std::uint64_t since_count_ = 0;  // guards made since then
};

}  // namespace ramie::stack
