/* Switching stacks in C: symmetric, a value goes across with each switch. No scheduler, no states beyond "ended".
 *
 * Status: experimental.
 *
 *     static void* body(void* argument, void* value) { ...ramie_switch(&fiber, &caller, out)...; return last; }
 *
 *     ramie_context caller = RAMIE_CONTEXT_INIT, fiber = RAMIE_CONTEXT_INIT;
 *     ramie_context_make(&fiber, stack, body, argument, &caller);
 *     void* out = ramie_switch(&caller, &fiber, in);
 *
 * A context stays on the thread that ran it first. errno and the signal mask are the thread's and are not switched.
 * C++ code may be called on a context, but no exception may leave body(), and none may be in flight at a switch.
 * ramie::fiber's suspend() must not be called on a context. About 5 ns a switch.
 */
#ifndef RAMIE_CONTEXT_H
#define RAMIE_CONTEXT_H

#include <ramie/stack.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where something stands that does not run. Lives where its owner puts it, and must not move while it is in use. */
typedef struct ramie_context {
  uint64_t words[8];
} ramie_context;
/* The context of code that runs already: a thread's own stack. */
#define RAMIE_CONTEXT_INIT \
  {                        \
    { 0 }                  \
  }

/* What runs on a new stack. `value` is that of the first switch to it; what it returns goes to `link`. */
typedef void* (*ramie_body)(void* argument, void* value);

/* Lays the first frame. When body returns, `link` is continued; the stack may be released by whoever runs then.
 * 0, or EINVAL for a null argument. */
int ramie_context_make(ramie_context* context, ramie_stack stack, ramie_body body, void* argument, ramie_context* link);

/* Leaves the running code in *from and continues *to, where `value` is returned. Returns the value of the switch that
 * continues *from. Switching to a context that has ended, or was never left, is named, and aborts. */
void* ramie_switch(ramie_context* from, ramie_context* to, void* value);

/* 1 once its body has returned. */
int ramie_context_ended(const ramie_context* context);

/* What a collector must scan of a context that does not run: [*sp, *base); its saved registers lie within.
 * 0, or ESRCH when it runs, has ended or was never left: then both are null. */
int ramie_context_live(const ramie_context* context, void** sp, void** base);

#ifdef __cplusplus
}
#endif

#endif
