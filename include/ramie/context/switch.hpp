// The switch of this machine: the assembly of the processor, or the portable twin where the build asks for it.
//
// Status: experimental; inlined into users' code, not for direct use.
#pragma once

#if defined(RAMIE_SWITCH_UCONTEXT)
#include <ramie/context/switch_ucontext.hpp>  // IWYU pragma: export
#elif defined(__x86_64__)
#include <ramie/context/switch_x86_64.hpp>  // IWYU pragma: export
#elif defined(__aarch64__)
#include <ramie/context/switch_aarch64.hpp>  // IWYU pragma: export
#else
#error "no assembly for this processor yet: configure with -DRAMIE_SWITCH=ucontext"
#endif
#include <ramie/context/sanitizer.hpp>  // IWYU pragma: export
