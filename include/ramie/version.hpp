// The version of these headers, and the inline namespace that keeps objects of two versions apart.
//
// Status: stable.
#pragma once

#define RAMIE_VERSION_MAJOR 0
#define RAMIE_VERSION_MINOR 1
#define RAMIE_VERSION_PATCH 0

namespace ramie {

inline constexpr const char* version_text = "0.1.0";

#if defined(RAMIE_SWITCH_UCONTEXT)
inline constexpr const char* switch_name = "ucontext";
#else
inline constexpr const char* switch_name = "native";
#endif

}  // namespace ramie
