// The monotonic clock, and a thread that only waits for it.
#pragma once

#include <cstdint>

namespace ramie::os {

std::int64_t monotonic_now_ns() noexcept;  // 25 ns
void sleep_until(std::int64_t monotonic_ns) noexcept;

// Starts a thread that gets no signals and that nobody joins, with a small stack. Throws std::system_error.
void start_quiet_thread(const char* name, void (*body)());

// Threads of this process, from /proc/self/stat; 0 when that cannot be read.
std::uint32_t thread_count() noexcept;

}  // namespace ramie::os
