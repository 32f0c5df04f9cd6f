// <ramie/stack.h>: the C face of guarded stacks. Exceptions end here, as an errno value and a text.
#include "fiber/thread.hpp"
#include "stack/pool.hpp"

#include <ramie/error.hpp>
#include <ramie/guarded_stack.hpp>
#include <ramie/stack.h>

#include <errno.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace ramie::inline v0::lending {
namespace {

// Cut off rather than allocated: it is there also when memory is what was refused.
constinit thread_local char refusal[512] = "";

int refuse(int error, std::string_view text) noexcept {
  const std::size_t length = std::min(text.size(), sizeof refusal - 1);
  std::memcpy(refusal, text.data(), length);
  refusal[length] = '\0';
  return error;
}

// The errno value of what `body` throws; 0 when it does not.
template <class Body>
int as_errno(Body body) noexcept {
  try {
    body();
    refusal[0] = '\0';
    return 0;
  } catch (const std::system_error& refused) {  // stack_error among them; its codes are errno values
    return refuse(refused.code().value(), refused.what());
  } catch (const std::exception& refused) {
    return refuse(ENOMEM, refused.what());
  }
}

// One after the other, not all at once: when the kernel refuses in the middle, what is open stays open, and free.
void open_stacks(const stack::request& wanted, std::size_t count) {
  stack::slot* held = nullptr;
  const auto give_back = [&held] {
    while (held != nullptr) {
      stack::slot* one = held;
      held = one->next;
      stack::release(one);
    }
  };
  try {
    for (std::size_t i = 0; i < count; ++i) {
      stack::slot* one = stack::acquire(wanted, stack::lent_owner("", false));
      one->next = held;
      held = one;
    }
  } catch (...) {
    give_back();
    throw;
  }
  give_back();
}

static_assert(static_cast<int>(ramie::guard::none) == RAMIE_GUARD_NONE);
static_assert(static_cast<int>(ramie::guard::region) == RAMIE_GUARD_REGION);

guarded_stack from_c(ramie_stack stack) noexcept { return {stack.base, stack.bytes}; }

}  // namespace
}  // namespace ramie::inline v0::lending

using namespace ramie;  // the functions below are C's and lie outside

extern "C" {

#pragma GCC visibility push(default)

int ramie_stack_reserve(size_t bytes, size_t count) {
  return lending::as_errno([&] {
    static_cast<void>(control::this_thread());
    lending::open_stacks(stack::make_request(bytes, guard::automatic), count);
  });
}

int ramie_stack_acquire(ramie_stack* stack, size_t bytes, const char* name) {
  if (stack == nullptr) return lending::refuse(EINVAL, "ramie_stack_acquire needs a place for the stack");
  return lending::as_errno([&] {
    const auto key =
        lending::make_key(bytes, guard::automatic, name == nullptr ? "" : name, lending::title::lent_stack);
    const guarded_stack taken = stack_source(key).acquire();
    *stack = {taken.top, taken.usable_bytes};
  });
}

void ramie_stack_release(ramie_stack stack) {
  // Of the kind that this thread has on its shelf, most likely.
  lending::release_to(lending::this_shelf().key, lending::from_c(stack));
}

ramie_guard ramie_stack_guard(ramie_stack stack) {
  return static_cast<ramie_guard>(stack_source::info(lending::from_c(stack)).guard);
}

const char* ramie_guard_name(ramie_guard kind) { return name_of(static_cast<guard>(kind)); }

size_t ramie_stack_most_used(ramie_stack stack) { return stack_source::info(lending::from_c(stack)).most_used_bytes; }

const char* ramie_refusal(void) { return lending::refusal; }

#pragma GCC visibility pop
}
