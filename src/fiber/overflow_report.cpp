// What an overflow prints. Runs in a signal handler on the alternate stack: no allocation, no locks, one write.
#include "backtrace/collect.hpp"
#include "backtrace/report.hpp"
#include "fiber/life.hpp"
#include "fiber/overflow.hpp"

#include <unistd.h>

#include <span>

namespace ramie::inline v0::control {
namespace {

// Code that runs on this stack has its stack pointer in it, or below it by one large frame.
constexpr std::uintptr_t largest_frame_bytes = std::uintptr_t{1} << 20;

bool runs_on(const stack::slot& slot, std::uintptr_t stack_pointer) noexcept {
  return stack_pointer <= slot.high() && stack_pointer + largest_frame_bytes >= slot.low;
}

// Whose stack it is, in words.
struct owner_title {
  char text[160];
  explicit owner_title(const stack::slot& slot) noexcept {
    fixed_text to{std::span(text).first(sizeof text - 1)};
    if (!stack::is_lent(slot.owner)) {
      to.add(fiber_title(static_cast<const control_block*>(slot.owner)).text);
    } else {
      to.add(stack::is_lent_to_boost(slot.owner) ? "a stack of boost_stack '" : "a lent stack '");
      to.add(stack::borrowed_as(slot.owner)).add('\'');
    }
    text[to.size()] = '\0';
  }
};

// Somebody else's code hit the guard: the fiber below, by running out at the high end of its stack, or any wild
// pointer.
void report_wild_access(const owner_title& title, std::uintptr_t address, const control_block* running,
                        std::uintptr_t stack_pointer, const ucontext_t& context) noexcept {
  backtrace::report report;
  fixed_text& text = report.text();
  text.add("ramie: a wild access to ").add_hex(address).add(", the guard of the stack of ").add(title.text);
  const bool is_known = running->stack_low <= stack_pointer && stack_pointer < running->stack_high;
  if (!is_known) {
    text.add(",\nramie: by code that runs on another stack.\n");
  } else {
    text.add(",\nramie: by code that runs in ").add(fiber_title(running).text).add(":\n");
    report.add_frames(backtrace::collect_interrupted(context, {running->stack_low, running->stack_high}),
                      backtrace::names::by_program);
  }
  static_cast<void>(report.send(STDERR_FILENO));
}

}  // namespace

void report_overflow(const stack::slot& slot, std::uintptr_t address, std::uintptr_t stack_pointer,
                     const void* machine) noexcept {
  const owner_title title(slot);
  const bool is_lent = stack::is_lent(slot.owner);
  const control_block* running = context::this_thread_words()->current;
  const auto& context = *static_cast<const ucontext_t*>(machine);
  // Who switches lent stacks is not for us to know, only where the stack pointer is.
  if ((!is_lent && running != slot.owner) || !runs_on(slot, stack_pointer)) {
    return report_wild_access(title, address, running, stack_pointer, context);
  }
  const std::uint64_t usable_kib = slot.usable_bytes >> 10;
  backtrace::report report;
  fixed_text& text = report.text();
  const backtrace::trace frames = backtrace::collect_interrupted(context, {slot.low, slot.high()});
  text.add("ramie: stack overflow in ").add(title.text).add(":\n");
  text.add("ramie: all ").add_count(usable_kib).add(" KiB of its stack are used, ").add_count(frames.total());
  text.add(" frames deep (guard: ").add(name_of(slot.guard)).add(").\n");
  text.add("ramie: Ask for more when that is what it needs, ").add(is_lent ? "stack_bytes = " : ".stack_bytes = ");
  text.add_decimal(usable_kib * 2).add(" << 10, or find the recursion:\n");
  report.add_frames(frames, backtrace::names::by_program);
  static_cast<void>(report.send(STDERR_FILENO));
}

}  // namespace ramie::inline v0::control
