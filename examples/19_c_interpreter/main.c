/* A toy language in C whose fibers are its own: each runs a program for a stack machine, on a guarded stack.
 *
 *   0-9 push   + - * pop two, push one   d duplicate   < > recursion: run the rest on a new C frame (calls are deep)
 *   y yield the top to who resumed   r N resume fiber N and push what it yields   p print the top   j jump to the start
 */
#include <ramie/context.h>
#include <ramie/stack.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_fibers = 8 };

struct fiber {
  const char* program;
  ramie_stack stack;
  ramie_context here, resumer;
};

static struct fiber fibers[most_fibers];

static void* evaluate(struct fiber* self, long* top, const char* at);

static long resume(int number) {
  struct fiber* to = &fibers[number];
  if (ramie_context_ended(&to->here)) return -1;
  return (long)(intptr_t)ramie_switch(&to->resumer, &to->here, NULL);
}

static void yield(struct fiber* self, long value) { ramie_switch(&self->here, &self->resumer, (void*)(intptr_t)value); }

static void* evaluate(struct fiber* self, long* top, const char* at) {
  for (; *at != '\0'; ++at) {
    switch (*at) {
      case '+':
        top[-1] += top[0];
        --top;
        break;
      case '-':
        top[-1] -= top[0];
        --top;
        break;
      case '*':
        top[-1] *= top[0];
        --top;
        break;
      case 'd':
        top[1] = top[0];
        ++top;
        break;
      case 'y':
        yield(self, *top);
        break;
      case 'r':
        *++top = resume(*++at - '0');
        break;
      case 'p':
        printf("%ld\n", *top);
        break;
      case 'j':
        at = self->program - 1;
        break;
      case '<':
        return evaluate(self, top, at + 1);
      default:
        if (*at >= '0' && *at <= '9') *++top = *at - '0';
    }
  }
  return (void*)(intptr_t)*top;
}

static void* run(void* argument, void* value) {
  long values[64] = {0};
  (void)value;
  struct fiber* self = argument;
  return evaluate(self, values, self->program);
}

static void start(int number, const char* program) {
  struct fiber* made = &fibers[number];
  int error = ramie_stack_acquire(&made->stack, 16 << 10, "toy fiber");
  if (error != 0) {
    fprintf(stderr, "fiber %d: %s: %s\n", number, strerror(error), ramie_refusal());
    exit(1);
  }
  made->program = program;
  ramie_context_make(&made->here, made->stack, run, made, &made->resumer);
}

/* What a collector would scan: the live part of each parked stack, not the whole. */
static void show_roots(void) {
  for (int i = 0; i < most_fibers; ++i) {
    void *sp, *base;
    if (fibers[i].stack.base == NULL || ramie_context_live(&fibers[i].here, &sp, &base) != 0) continue;
    ptrdiff_t live = (char*)base - (char*)sp;
    printf("fiber %d is parked; live: %s\n", i, live > 0 && live < 8192 ? "a part of its stack" : "?");
  }
}

int main(void) {
  ramie_stack_reserve(16 << 10, 2);
  start(1, "1y2y3y");                /* yields 1, 2, 3, and ends with 3 */
  start(2, "0 <<< r1 d*y r1 d*y 7"); /* squares what fiber 1 yields, from three C frames down */
  printf("%ld ", resume(2));
  printf("%ld ", resume(2));
  printf("%ld\n", resume(2));
  printf("fiber 2 has %s\n", ramie_context_ended(&fibers[2].here) ? "ended" : "not ended");
  show_roots();
  for (int i = 1; i <= 2; ++i) ramie_stack_release(fibers[i].stack);
  return 0;
}
