// Which file a frame's code comes from, and where in it: what every other tool needs to name the function.
#pragma once

#include "backtrace/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ramie::backtrace {

struct location {
  std::string_view module;    // its path as it was loaded; empty: no loaded file holds the address
  std::uintptr_t offset = 0;  // address inside the module, as its symbol table counts; else the address itself
  [[nodiscard]] std::string_view name() const noexcept {  // the path's last part
    return module.substr(module.rfind('/') + 1);
  }
};

// The module and the offset of the frame's lookup_pc(), so that a return address is found in the line of its call. Safe
// in signal handlers, takes no lock. `memory` holds the main program's path (which glibc does not keep): up to
// 4,096 bytes are worth giving; the view points there or into glibc's list, and lives as long as they.
location locate(const frame& at, std::span<char> memory) noexcept;

// The same, and also the function's name where dladdr knows it: exported symbols only, not demangled. NOT safe in a
// signal handler: dladdr takes the dynamic linker's lock. The name may be null.
const char* exported_name(const frame& at) noexcept;

}  // namespace ramie::backtrace
