#include "task/parked_frames.hpp"

#include "backtrace/collect.hpp"
#include "context/start.hpp"
#include "fiber/slab.hpp"

#include <algorithm>

namespace ramie::inline v0::tasking {
namespace {

// A stack is counted to this depth: a recursion of half a million frames would take 20 ms.
constexpr std::uint64_t counted_most = 10'000;

stack_part part_of(const control::control_block* fiber, const backtrace::trace& found, std::size_t frames_most) {
  stack_part part;
  part.fiber = fiber;
  const std::size_t shown = std::min(found.newest_count(), frames_most);
  part.frames.reserve(shown);
  for (std::size_t at = 0; at < shown; ++at) part.frames.push_back(found.newest(at));
  part.more = found.total() - shown;
  return part;
}

backtrace::stack_bounds bounds_of(const control::control_block* fiber) noexcept {
  return {fiber->stack_low, fiber->stack_high};
}

// Where its resumer waits; 0: nobody does, or it is a scheduler's loop.
std::uintptr_t resumer_of(const control::control_block* fiber) noexcept {
  const control::cold_block& about = control::cold(fiber);
  if ((fiber->flags & control::is_base) != 0) return 0;
  return about.held_resumer_sp != 0 ? about.held_resumer_sp : fiber->resumer_sp;
}

}  // namespace

std::vector<stack_part> frames_of(const record& task, std::size_t frames_most) {
  std::vector<stack_part> parts;
  const bool runs = task.home->running == &task;
  const control::control_block* fiber = runs ? context::this_thread_words()->current : task.chain.leaf;
  if (fiber == nullptr) return parts;
  if (runs) {
    parts.push_back(part_of(fiber, backtrace::collect_here(bounds_of(fiber), counted_most), frames_most));
  } else {
    const context::parked_frame at = context::frame_at(task.chain.sp & ~std::uintptr_t{context::tag_mask});
    const auto found = backtrace::collect_parked({at.pc, at.sp, at.fp}, bounds_of(fiber), counted_most);
    parts.push_back(part_of(fiber, found, frames_most));
  }
  while (const std::uintptr_t sp = resumer_of(fiber)) {
    fiber = context::resumer_at(sp);
    const context::parked_frame at = context::resumer_frame_at(sp);
    const auto found = backtrace::collect_parked({at.pc, at.sp, at.fp}, bounds_of(fiber), counted_most);
    parts.push_back(part_of(fiber, found, frames_most));
  }
  return parts;
}

}  // namespace ramie::inline v0::tasking
