// How many forks lie between the program's first process and this one: whoever keeps what a fork shares with its parent
// (an epoll, a ring) compares it with the count at which it was made.
//
// Any thread; a load. Counted by a handler of fork(): a process made by clone(2) itself is not.
#pragma once

#include <atomic>
#include <cstdint>

namespace ramie::os {

extern constinit std::atomic<std::uint32_t> forks_so_far;
inline std::uint32_t fork_count() noexcept { return forks_so_far.load(std::memory_order_relaxed); }

// The file at `number` is from now on the one at `fresh`, closed on exec; `fresh` is closed. Nobody can get the number
// meanwhile. 0 or -errno: nothing has changed.
int take_number(int fresh, int number) noexcept;

}  // namespace ramie::os
