#include "fiber/shadow_stack.hpp"

#include <ramie/error.hpp>

namespace ramie::inline v0::control {
namespace {

#if defined(__aarch64__)
constexpr const char* its_name = "a guarded control stack (aarch64 GCS)";
constexpr const char* cure = "Run the program with GLIBC_TUNABLES=glibc.cpu.aarch64_gcs=0";
#else
constexpr const char* its_name = "a shadow stack (x86 CET, SHSTK)";
constexpr const char* cure = "Run the program with GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK, or link it without -z shstk";
#endif

}  // namespace

void refuse_shadow_stack(bool active) {
  if (!active) [[likely]]
    return;
  throw stack_error(std::errc::not_supported, stack_limit::shadow_stack, 0, 0,
                    std::string("no fibers on this thread: the processor checks its returns against ") + its_name +
                        ", which a switch of stacks cannot take along; the first return after it would be a SIGSEGV",
                    cure);
}

}  // namespace ramie::inline v0::control
