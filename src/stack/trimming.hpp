// What becomes of the memory of free stacks: the policy, and handing a chain of slots back.
//
// The guard is never part of what is handed back: the markers of some rungs do not survive MADV_DONTNEED. So each slot
// is a range of its own, and batches are what makes that bearable (0.7 us a slot instead of 1.3).
//
// Why the surplus goes at once and 64 MiB of a size stay: on the machine of docs/evidence.md a warm page costs the next
// fiber nothing, one behind MADV_FREE 0.3 us, one behind MADV_DONTNEED a fault of 1.5 us; and only the last is seen to
// leave the process. A thousand default stacks stay warm, so a population that breathes by that much never pays; what
// comes on top after a spike is paid for once.
#pragma once

#include "stack/slot.hpp"

#include <cstddef>

namespace ramie::stack {

// Hands back the memory of up to 512 slots of the chain, from its first; counts them. Returns the rest of the chain.
// The caller owns all of these slots. Takes no lock and allocates nothing. A range that the kernel refuses (locked by
// mlockall) keeps its memory.
slot* hand_back_some(slot* first, bool only_when_short, std::size_t& count) noexcept;

}  // namespace ramie::stack
