// Waiting for a word to change, between threads of this process.
//
// Any thread; safe in signal handlers. A wait may return early, so it stands in a loop; waking an address where nobody
// waits, or that is gone, does nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace ramie::os {

// Returns when woken, or at once when the word is not `expected` any more.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept;
// The same, at most until `until_ns` on the monotonic clock. False when the time was over.
bool futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until_ns) noexcept;
void futex_wake_one(std::atomic<std::uint32_t>& word) noexcept;
void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept;

// Lets another thread of this processor run.
void yield_processor() noexcept;

}  // namespace ramie::os
