// One variant; CHAIN_VARIANT and CHAIN_HAS_TABLES come from the command line.
#include "chain.hpp"

#define NAME_OF(x) #x
#define TEXT_OF(x) NAME_OF(x)

namespace chain {

extern const variant CHAIN_VARIANT;

namespace {

volatile int one = 1;
void* volatile kept;  // takes addresses away from the optimizer

// Each does something after the call, so that the call is not its last act.
[[gnu::noinline]] int inner(visitor visit, void* argument) {
  visit(argument);
  return one;
}
// A frame of a size known only when it runs.
[[gnu::noinline]] int sized(visitor visit, void* argument, int bytes) {
  char* memory = static_cast<char*>(__builtin_alloca(static_cast<unsigned long>(bytes)));
  kept = memory;
  memory[0] = 1;
  return inner(visit, argument) + memory[0];
}
// A frame that realigns the stack, also with a size known only when it runs.
[[gnu::noinline]] int aligned(visitor visit, void* argument, int bytes) {
  alignas(64) char local[128];
  char* memory = static_cast<char*>(__builtin_alloca(static_cast<unsigned long>(bytes)));
  kept = local;
  kept = memory;
  local[0] = memory[0] = 1;
  return sized(visit, argument, bytes) + local[0] + memory[0];
}
[[gnu::noinline]] int outer(visitor visit, void* argument) { return aligned(visit, argument, 100 * one) + one; }

[[gnu::noinline]] int odd(visitor visit, void* argument, int depth);
[[gnu::noinline]] int even(visitor visit, void* argument, int depth) {
  if (depth == 0) return inner(visit, argument);
  return odd(visit, argument, depth - 1) + one;
}
[[gnu::noinline]] int odd(visitor visit, void* argument, int depth) {
  if (depth == 0) return inner(visit, argument);
  return even(visit, argument, depth - 1) - one;
}

template <typename Function>
const void* address(Function* function) {
  return reinterpret_cast<const void*>(function);
}

}  // namespace

const variant CHAIN_VARIANT = {TEXT_OF(CHAIN_VARIANT),
                               CHAIN_HAS_TABLES != 0,
                               {address(inner), address(sized), address(aligned), address(outer)},
                               outer,
                               even,
                               {address(even), address(odd)}};

}  // namespace chain
