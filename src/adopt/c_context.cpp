// <ramie/context.h>: the bare switch for C, over the same first frame and the same assembly as fibers.
#include "context/start.hpp"
#include "fiber/thread.hpp"

#include <ramie/context.h>

#include <errno.h>

#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace ramie::inline v0::lending {
namespace {

// What a ramie_context holds: the first word is where the assembly stores the stack pointer of who leaves.
// `word`: a stack pointer, `ended`, or 0 while it runs or when it was never left.
struct c_context {
  std::uintptr_t word;
  ramie_body body;
  void* argument;
  c_context* link;
  std::uintptr_t low, high;  // its stack; both 0: a thread's own, not left yet
};
static_assert(sizeof(c_context) <= sizeof(ramie_context) && offsetof(context::control_block, word) == 0);

c_context* from_c(ramie_context* context) noexcept { return reinterpret_cast<c_context*>(context); }
const c_context* from_c(const ramie_context* context) noexcept { return reinterpret_cast<const c_context*>(context); }
bool is_parked(const c_context& one) noexcept { return one.word != 0 && one.word != context::ended; }

[[noreturn]] void refuse_switch(const c_context* to) noexcept {
  std::fprintf(stderr, "ramie: ramie_switch to the context at %p, %s.\n", static_cast<const void*>(to),
               to->word == context::ended ? "which has ended" : "which runs, or was never made or left");
  std::abort();
}

std::uintptr_t take_word(c_context* to) noexcept {
  if (!is_parked(*to)) [[unlikely]]
    refuse_switch(to);
  return std::exchange(to->word, 0);
}

// A checker hears of a switch by the bounds of the stack that is switched to.
context::control_block bounds_of(const c_context& one) noexcept {
  context::control_block block{};
  block.stack_low = one.low;
  block.stack_high = one.high;
  return block;
}

#if defined(RAMIE_TSAN)
// ThreadSanitizer wants a record for each stack, which a C context has no end to give back: it is told nothing.
struct crossing {
  void depart(const context::control_block*) {}
  void arrive() {}
  static void depart_for_good(const context::control_block*) {}
  static void arrive_first() {}
};
#else
using context::crossing;
#endif

void run_body(void* place, std::uintptr_t value) {
  crossing::arrive_first();
  auto* self = static_cast<c_context*>(place);
  void* last = self->body(self->argument, reinterpret_cast<void*>(value));
  c_context* link = self->link;
  self->word = context::ended;
  const std::uintptr_t sp = take_word(link);
  const context::control_block bounds = bounds_of(*link);
  crossing::depart_for_good(&bounds);
  context::leave_for_good(sp, reinterpret_cast<std::uintptr_t>(last), nullptr, context::ended);
}

}  // namespace
}  // namespace ramie::inline v0::lending

using namespace ramie;  // the functions below are C's and lie outside

extern "C" {

#pragma GCC visibility push(default)

int ramie_context_make(ramie_context* place, ramie_stack stack, ramie_body body, void* argument, ramie_context* link) {
  if (place == nullptr || stack.base == nullptr || body == nullptr || link == nullptr) return EINVAL;
  const auto high = reinterpret_cast<std::uintptr_t>(stack.base), low = high - stack.bytes;
  auto* made = new (place) lending::c_context{0, body, argument, lending::from_c(link), low, high};
  made->word = context::prepare(low, high, &lending::run_body, made);
  return 0;
}

void* ramie_switch(ramie_context* from, ramie_context* to, void* value) {
  lending::c_context *leaver = lending::from_c(from), *target = lending::from_c(to);
  if (leaver->high == 0) [[unlikely]] {
    const context::control_block* root = control::this_thread().root;
    leaver->low = root->stack_low;
    leaver->high = root->stack_high;
  }
  const std::uintptr_t sp = lending::take_word(target);
  const context::control_block bounds = lending::bounds_of(*target);
  lending::crossing crossing;
  crossing.depart(&bounds);
  const std::uintptr_t message = context::switch_across(sp, reinterpret_cast<std::uintptr_t>(value),
                                                        reinterpret_cast<context::control_block*>(leaver), 0);
  crossing.arrive();
  return reinterpret_cast<void*>(message);
}

int ramie_context_ended(const ramie_context* place) { return lending::from_c(place)->word == context::ended ? 1 : 0; }

int ramie_context_live(const ramie_context* place, void** sp, void** base) {
  const lending::c_context& one = *lending::from_c(place);
  const bool parked = lending::is_parked(one);
  *sp = parked ? reinterpret_cast<void*>(one.word) : nullptr;
  *base = parked ? reinterpret_cast<void*>(one.high) : nullptr;
  return parked ? 0 : ESRCH;
}

#pragma GCC visibility pop
}
