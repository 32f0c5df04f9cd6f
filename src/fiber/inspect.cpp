// What a fiber's stack is like, for stack() and for tools.
#include "context/start.hpp"
#include "fiber/life.hpp"
#include "fiber/stack_use.hpp"
#include "stack/pool.hpp"
#include "stack/watermark.hpp"

namespace ramie::inline v0::control {

stack_info stack_of(const control_block* fiber) noexcept {
  stack_info info;
  if (fiber == &nobody) return info;
  const cold_block& about = cold(fiber);
  info.guard = about.stack.guard;
  const stack::slot* slot = about.slot;
  if (slot == nullptr) {
    if (about.depth > being_measured) info.deepest_bytes = about.depth;  // it has ended
    info.low = fiber->stack_low;
    info.high = fiber->stack_high;
    return info;
  }
  info.guard = slot->guard;
  info.usable_bytes = slot->usable_bytes - slot->colour_bytes;
  info.low = slot->low;
  info.high = slot->first_frame();
  info.guard_bytes = stack::guard_bytes_of(*slot);
  const std::uintptr_t word = fiber->word;
  if ((word & 1) == 0 && word != context::lost) {
    info.in_use_bytes = info.high - (word & ~std::uintptr_t{context::tag_mask});
  }
  info.most_used_bytes = stack::most_used_bytes(*slot);
  if (about.depth != not_measured) info.deepest_bytes = stack::deepest_bytes(*slot);
  return info;
}

}  // namespace ramie::inline v0::control
