// A memory barrier in all threads of this process at once, so that the fast side of a handshake needs none.
#pragma once

namespace ramie::os {

// Asks once whether the kernel has it (Linux 4.14; some containers forbid it) and signs this process up.
bool can_fence_threads() noexcept;
// Every other thread has passed a full memory barrier between the call and the return. 1 to 10 us. Only after the
// question above was answered with yes.
void fence_threads() noexcept;

}  // namespace ramie::os
