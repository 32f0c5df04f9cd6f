#include "fiber/idle_frames.hpp"

#include "backtrace/unwind_table.hpp"
#include "context/start.hpp"
#include "fiber/slab.hpp"
#include "os/signal_safe.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace ramie::inline v0::control {

void fiber_main(void* argument, std::uintptr_t message);

namespace {

#if defined(__x86_64__) && !defined(RAMIE_SWITCH_UCONTEXT) && !defined(RAMIE_ASAN)
constexpr bool is_offered = true;
#else
constexpr bool is_offered = false;
#endif

// What is known of frames that wait at one address.
enum class verdict : std::uint8_t { unknown, idle, outermost, busy };
struct known_frame {
  std::uintptr_t pc;
  std::int32_t caller_sp;  // from this frame's sp, or fp
  std::int32_t saved_fp;   // from the caller's sp: where the caller's fp is
  verdict what;
  bool by_fp;     // caller_sp counts from fp
  bool saves_fp;  // otherwise fp is the caller's still
};
// Two ways by hash. On the heap, since thread-local storage of that size would keep a shared library from being loaded
// late. The innermost frames apart: those are only learned, never read from the tables again.
struct known_frames {
  static constexpr std::size_t places = 128;
  known_frame innermost[places][2], callers[places][2];
  unsigned turn;
};
[[gnu::tls_model("initial-exec")]] constinit thread_local known_frames* known = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local std::uintptr_t learning_pc = 0, learning_sp = 0;

using table = known_frame (&)[known_frames::places][2];
known_frame* find(table in, std::uintptr_t pc) noexcept {
  known_frame(&two)[2] = in[(pc ^ (pc >> 7)) % known_frames::places];
  if (two[0].pc == pc) return &two[0];
  return two[1].pc == pc ? &two[1] : nullptr;
}
known_frame& put(table in, const known_frame& found) noexcept {
  known_frame(&two)[2] = in[(found.pc ^ (found.pc >> 7)) % known_frames::places];
  return two[++known->turn % 2] = found;
}

// Code that is not unloaded while this is: the program, this library, the C library.
bool stays_loaded(std::uintptr_t pc) noexcept {
  const void* object = backtrace::object_of(pc);
  if (object == nullptr) return false;
  const std::uintptr_t stays[] = {os::program_entry(), reinterpret_cast<std::uintptr_t>(&fiber_main),
                                  reinterpret_cast<std::uintptr_t>(&std::qsort)};
  for (const std::uintptr_t one : stays) {
    if (object == backtrace::object_of(one)) return true;
  }
  return false;
}

// The frame that called from just before `return_address`, as the compiler's tables describe it.
known_frame read_tables(std::uintptr_t return_address) noexcept {
  known_frame found = {return_address, 0, 0, verdict::busy, false, false};
  backtrace::unwind_row row;
  if (!stays_loaded(return_address) || !backtrace::find_unwind_row(return_address - 1, row)) return found;
  if (row.function == reinterpret_cast<std::uintptr_t>(&fiber_main)) {
    found.what = verdict::outermost;
    return found;
  }
  using backtrace::rule_kind;
  const backtrace::rule& fp = row.registers[backtrace::fp_register];
  const backtrace::rule& back = row.registers[row.return_column];
  const bool by_sp = row.base == backtrace::sp_register, by_fp = row.base == backtrace::fp_register;
  const bool plain = row.frame_address.kind == rule_kind::frame_plus && (by_sp || by_fp) &&
                     back.kind == rule_kind::saved_at && back.value == -8 &&
                     (fp.kind == rule_kind::unchanged || fp.kind == rule_kind::saved_at) &&
                     row.registers[backtrace::sp_register].kind == rule_kind::unchanged && !row.signal_frame;
  if (!plain || backtrace::unwinding_runs_code(return_address, row)) return found;
  found.caller_sp = static_cast<std::int32_t>(row.frame_address.value);
  found.by_fp = by_fp;
  found.saves_fp = fp.kind == rule_kind::saved_at;
  found.saved_fp = static_cast<std::int32_t>(fp.value);
  found.what = verdict::idle;
  return found;
}

__attribute__((no_sanitize("address", "thread", "undefined"))) std::uintptr_t word_at(std::uintptr_t address) noexcept {
  return *reinterpret_cast<const volatile std::uintptr_t*>(address);
}

}  // namespace

bool frames_are_idle(const control_block* fiber) noexcept {
  if constexpr (!is_offered) return false;
  if ((fiber->word & context::tag_mask) != context::tag_suspended || fiber->word == context::lost) return false;
  if (fiber->flags != 0 || cold(fiber).waiting != pending::nothing) return false;
  auto [pc, sp, fp] = context::frame_at(fiber->word);
  if (known == nullptr) return false;
  const known_frame* innermost = find(known->innermost, pc);
  constexpr int most_frames = 256;
  for (int depth = 0; depth < most_frames; ++depth) {
    const known_frame* seen = depth == 0 ? innermost : find(known->callers, pc);
    if (seen == nullptr) [[unlikely]] {
      if (depth == 0) return false;
      seen = &put(known->callers, read_tables(pc));
    }
    const known_frame& at = *seen;
    if (at.what != verdict::idle) return at.what == verdict::outermost;
    const std::uintptr_t caller_sp = (at.by_fp ? fp : sp) + static_cast<std::uintptr_t>(std::intptr_t{at.caller_sp});
    if (caller_sp <= sp || caller_sp > fiber->stack_high) [[unlikely]]
      return false;
    pc = word_at(caller_sp - 8);
    if (at.saves_fp) fp = word_at(caller_sp + static_cast<std::uintptr_t>(std::intptr_t{at.saved_fp}));
    sp = caller_sp;
  }
  return false;
}

void prepare_to_learn(std::uintptr_t word) noexcept {
  if constexpr (!is_offered) return;
  if ((word & context::tag_mask) != context::tag_suspended) return;
  const context::parked_frame frame = context::frame_at(word);
  learning_pc = frame.pc;
  learning_sp = frame.sp;
}

void learn_frame(std::uintptr_t return_address, std::uintptr_t frame_address) noexcept {
  if constexpr (!is_offered) return;
  const std::uintptr_t pc = std::exchange(learning_pc, 0);
  if (pc == 0) return;
  if (known == nullptr) known = new (std::nothrow) known_frames{};
  if (known == nullptr || find(known->innermost, pc) != nullptr) return;
  // Above the delivering function's saved frame pointer and return address the caller's frame begins, as it stood when
  // it switched away; not so when the call was a tail call, whose own frame is gone.
  known_frame found = {pc, 0, 0, verdict::busy, false, false};
  if (frame_address + 16 == learning_sp) {
    found = read_tables(return_address);
    if (found.what == verdict::outermost) found.what = verdict::busy;
  }
  found.pc = pc;
  put(known->innermost, found);
}

void forget_frames() noexcept { delete std::exchange(known, nullptr); }

}  // namespace ramie::inline v0::control
