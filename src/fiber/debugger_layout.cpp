#include "fiber/debugger_layout.hpp"

#include "fiber/slab.hpp"

#include <ramie/context/switch.hpp>

#include <cstddef>

namespace ramie::inline v0::control {
namespace {

using layout = debugger_layout;

#if defined(RAMIE_SWITCH_UCONTEXT) && defined(__x86_64__)
using context::parked_context;
constexpr std::uint32_t saved_register(int number) {
  return static_cast<std::uint32_t>(offsetof(parked_context, machine.uc_mcontext.gregs) +
                                    static_cast<std::size_t>(number) * sizeof(greg_t));
}
constexpr decltype(layout::parked) parked = {saved_register(REG_RIP),
                                             saved_register(REG_RBX),
                                             saved_register(REG_RBP),
                                             saved_register(REG_RSP),
                                             offsetof(parked_context, self),
                                             0,
                                             0};
#elif defined(RAMIE_SWITCH_UCONTEXT)
constexpr decltype(layout::parked) parked = {layout::none, 0, 0, 0, offsetof(context::parked_context, self), 0, 0};
#elif defined(__x86_64__)
constexpr decltype(layout::parked) parked = {0, 8, 16, layout::none, 24, 24 + 128, 32 + 128};
#else
constexpr decltype(layout::parked) parked = {0, 8, 16, layout::none, 24, context::parked_bytes, context::parked_bytes};
#endif

}  // namespace

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"  // of the cold block, which holds an exception_ptr
extern "C" const layout ramie_gdb_layout_v0 = {
    .bytes = sizeof(layout),
    .is_root_flag = is_root,
    .chunk_count = &all_chunks.count,
    .chunks = &all_chunks.chunks,
    .blocks = {blocks_offset, blocks_per_chunk, sizeof(control_block), cold_offset, sizeof(cold_block)},
    .control = {offsetof(control_block, word), offsetof(control_block, home), offsetof(control_block, resumer_sp),
                offsetof(control_block, flags), offsetof(control_block, id), offsetof(control_block, stack_low),
                offsetof(control_block, stack_high)},
    .cold = {offsetof(cold_block, name), offsetof(cold_block, file), offsetof(cold_block, line),
             offsetof(cold_block, slot), offsetof(cold_block, held_resumer_sp)},
    .slot_colour_bytes = offsetof(stack::slot, colour_bytes),
    .thread_current = offsetof(context::thread_words, current),
    .parked = parked,
};
#pragma GCC diagnostic pop

}  // namespace ramie::inline v0::control
