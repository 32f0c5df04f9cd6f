#include "backtrace/describe.hpp"

#include "os/signal_safe.hpp"

#include <dlfcn.h>
#include <features.h>
#include <link.h>

namespace ramie::backtrace {

location locate(const frame& at, std::span<char> memory) noexcept {
  const std::uintptr_t pc = at.lookup_pc();
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
  dl_find_object found;
  if (_dl_find_object(reinterpret_cast<void*>(pc), &found) != 0) return {.module = {}, .offset = pc};
  const link_map* object = found.dlfo_link_map;
  std::string_view module = object->l_name == nullptr ? "" : object->l_name;
  if (module.empty()) module = os::read_link("/proc/self/exe", memory);
  return {.module = module.empty() ? "program" : module, .offset = pc - object->l_addr};
#else
  static_cast<void>(memory);
  return {.module = {}, .offset = pc};
#endif
}

const char* exported_name(const frame& at) noexcept {
  Dl_info found = {};
  return dladdr(reinterpret_cast<void*>(at.lookup_pc()), &found) == 0 ? nullptr : found.dli_sname;
}

}  // namespace ramie::backtrace
