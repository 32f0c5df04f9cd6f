/* <ramie/stack.h> and <ramie/context.h> as a C11 program sees them. Exit 0, or the line of what does not hold. */
#include <ramie/context.h>
#include <ramie/stack.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPECT(condition)                                                          \
  do {                                                                             \
    if (!(condition)) {                                                            \
      fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, ramie_refusal()); \
      return 1;                                                                    \
    }                                                                              \
  } while (0)

static ramie_context caller = RAMIE_CONTEXT_INIT, callee = RAMIE_CONTEXT_INIT;

static void* add_up(void* argument, void* value) {
  intptr_t sum = (intptr_t)argument;
  for (; value != NULL; value = ramie_switch(&callee, &caller, (void*)sum)) sum += (intptr_t)value;
  return (void*)-sum;
}

static int stacks_are_lent_and_given_back(void) {
  ramie_stack one = {0}, two = {0};
  EXPECT(ramie_stack_reserve(0, 100) == 0);
  EXPECT(ramie_stack_acquire(&one, 0, "one") == 0);
  EXPECT(ramie_stack_acquire(&two, 0, NULL) == 0);
  EXPECT(one.base != two.base && one.bytes > 60 << 10);
  EXPECT(ramie_stack_guard(one) != RAMIE_GUARD_NONE);
  EXPECT(strlen(ramie_guard_name(ramie_stack_guard(one))) > 1);
  memset((char*)one.base - one.bytes, 1, one.bytes);
  EXPECT(ramie_stack_most_used(one) >= one.bytes);
  void* base = one.base;
  ramie_stack_release(two);
  ramie_stack_release(one);
  EXPECT(ramie_stack_acquire(&one, 0, NULL) == 0);
  EXPECT(ramie_stack_acquire(&two, 0, NULL) == 0);
  EXPECT(one.base == base || two.base == base);
  ramie_stack_release(two);
  ramie_stack_release(one);
  return 0;
}

static int refusals_are_errno_values_with_a_text(void) {
  ramie_stack stack = {(void*)1, 2};
  EXPECT(ramie_stack_acquire(&stack, (size_t)1 << 40, "huge") == EINVAL);
  EXPECT(stack.base == (void*)1 && stack.bytes == 2);
  EXPECT(strstr(ramie_refusal(), "128 MiB") != NULL);
  EXPECT(ramie_stack_acquire(NULL, 0, "nowhere") == EINVAL);
  EXPECT(ramie_stack_acquire(&stack, 0, "fine") == 0);
  EXPECT(ramie_refusal()[0] == '\0');
  ramie_stack_release(stack);
  EXPECT(ramie_context_make(NULL, stack, add_up, NULL, &caller) == EINVAL);
  return 0;
}

static int values_cross_with_each_switch(void) {
  ramie_stack stack;
  void *sp, *base;
  EXPECT(ramie_stack_acquire(&stack, 16 << 10, "adder") == 0);
  EXPECT(ramie_context_make(&callee, stack, add_up, (void*)100, &caller) == 0);
  EXPECT((intptr_t)ramie_switch(&caller, &callee, (void*)1) == 101);
  EXPECT((intptr_t)ramie_switch(&caller, &callee, (void*)20) == 121);
  EXPECT(ramie_context_live(&callee, &sp, &base) == 0);
  EXPECT(base == stack.base && sp < base && (char*)base - (char*)sp < 4096);
  EXPECT(ramie_context_live(&caller, &sp, &base) == ESRCH && sp == NULL);
  EXPECT(!ramie_context_ended(&callee));
  EXPECT((intptr_t)ramie_switch(&caller, &callee, NULL) == -121);
  EXPECT(ramie_context_ended(&callee));
  EXPECT(ramie_context_live(&callee, &sp, &base) == ESRCH);
  ramie_stack_release(stack);
  return 0;
}

int main(void) {
  return stacks_are_lent_and_given_back() || refusals_are_errno_values_with_a_text() || values_cross_with_each_switch();
}
