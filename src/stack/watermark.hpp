// How deep a stack was ever used, word by word.
//
// The kernel clears a page before it gives it, and wipe() clears what earlier fibers left: so the lowest word that is
// not zero is the deepest that was written. Only pages in memory are read (mincore says which), none is added.
// Rejected: painting a pattern (touches every page of every stack), counting pages (other fibers' before it), sampling
// (misses). The caller owns the slot; asking about a stack that runs elsewhere gives what is there at that moment.
#pragma once

#include "stack/slot.hpp"

#include <cstddef>

namespace ramie::stack {

// Clears what earlier users of this slot left. Nothing may live on it. A mincore and 0.1 us a page.
void wipe(const slot& of) noexcept;

// From the first frame down to the deepest word that is not zero; 0 when there is none.
[[nodiscard]] std::size_t deepest_bytes(const slot& of) noexcept;

}  // namespace ramie::stack
