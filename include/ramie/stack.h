/* Guarded stacks for C: no exceptions, no C++; each function returns 0 or an errno value.
 *
 * Status: stable.
 *
 * The stacks of ramie::fiber under the same contract: guarded, or refused in words (ramie_refusal()). Running into a
 * guard writes a report to stderr that names the stack. Any thread may acquire and any other release; the thread that
 * acquires can report. Link with ramie-fiber (pkg-config, or CMake's ramie::fiber) and the C++ runtime.
 */
#ifndef RAMIE_STACK_H
#define RAMIE_STACK_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stack on loan: [base - bytes, base), growing down from base, a guard below. A value; it owns nothing. */
typedef struct ramie_stack {
  void* base;
  size_t bytes;
} ramie_stack;

/* How a stack's guard works, best first; the same as ramie::guard in <ramie/stack.hpp>. */
typedef enum ramie_guard {
  RAMIE_GUARD_AUTOMATIC,
  RAMIE_GUARD_REGION,
  RAMIE_GUARD_POISON,
  RAMIE_GUARD_WP,
  RAMIE_GUARD_WP_POPULATED,
  RAMIE_GUARD_MPROTECT,
  RAMIE_GUARD_NONE
} ramie_guard;

/* Opens `count` stacks of at least `bytes` (0: 64 KiB) with their guards, so that the next acquires need nothing from
 * the kernel but memory when touched. ENOMEM, EINVAL (size), ENOTSUP (no guard works here): then some may be open. */
int ramie_stack_reserve(size_t bytes, size_t count);

/* A guarded stack of at least `bytes` (0: 64 KiB, at most 128 MiB). `name` is shown in reports and must live as long as
 * the program; NULL is "". Errors as above; *stack is then unchanged. */
int ramie_stack_acquire(ramie_stack* stack, size_t bytes, const char* name);

/* Gives it back; nothing may run on it any more. Releasing what was not acquired, or twice, is named, and aborts. */
void ramie_stack_release(ramie_stack stack);

/* Which guard it has, and the guard's name as reports print it ("region"). */
ramie_guard ramie_stack_guard(ramie_stack stack);
const char* ramie_guard_name(ramie_guard guard);

/* Bytes of it that have ever been touched, in whole pages. A system call. */
size_t ramie_stack_most_used(ramie_stack stack);

/* Why the last call of this thread was refused: limit, how much is used, what to type. "" when none was. */
const char* ramie_refusal(void);

#ifdef __cplusplus
}
#endif

#endif
