// Where a debugger finds the fibers of a process or of its core file: plain data, of an optimized library without debug
// information. scripts/gdb/ramie-gdb.py reads it.
//
// The name carries the version, 0: what is there keeps its place, and new fields are added at the end, where `bytes`
// tells that they exist. All offsets are in bytes. Constant: any thread, any time.
#pragma once

#include <cstdint>

namespace ramie::inline v0::control {

struct debugger_layout {
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  std::uint32_t bytes;  // of this structure
  std::uint32_t is_root_flag;
  const void* chunk_count;  // their number, a word
  const void* chunks;       // their addresses, a word each
  struct {
    std::uint32_t offset, count, bytes;  // of the control blocks in a chunk; one without a fiber has id 0
    std::uint32_t cold_offset, cold_bytes;
  } blocks;
  struct {
    std::uint32_t word, home, resumer_sp, flags, id, stack_low, stack_high;
  } control;
  struct {
    std::uint32_t name, file, line, slot, held_resumer_sp;
  } cold;
  std::uint32_t slot_colour_bytes;  // 16 bits: how far below the high end the first frame begins
  std::uint32_t thread_current;     // in the thread's words
  // At a parked stack pointer: the saved registers (the second is rbx, or x19), the resumer's block, and how many bytes
  // up the stack pointer is where the code goes on. `sp` is none, or where the stack pointer itself is saved.
  struct {
    std::uint32_t pc, saved, fp, sp, resumer;
    std::uint32_t bytes, resumer_bytes;  // of one that left by suspend or transfer; of one that resumed another
  } parked;
};

extern "C" {
[[gnu::visibility("default")]] extern const debugger_layout ramie_gdb_layout_v0;
}

// Names the layout from code that every program with fibers contains, or a linker would leave it out.
inline void keep_debugger_layout() noexcept { asm volatile("" : : "r"(&ramie_gdb_layout_v0)); }

}  // namespace ramie::inline v0::control
