// What crosses a switch and what does not, one check per class of state.
//
// A plain program, because it is compiled some hundred times: by the test of its own build, and by tests/consumer with
// every compiler, optimisation level and code-generation flag that changes where a compiler keeps its values. Prints
// one line per failure and exits 1.
//
// Each class is held over the three ways of leaving a stack (suspend, resume, transfer), while the other side holds
// other values of the same class, and while the other side overwrites every register that it may.
#include <ramie/fiber.hpp>

#include <alloca.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

int failures = 0;
void check(bool holds, const char* kind, const char* what) {
  if (holds) return;
  ++failures;
  std::printf("FAILED: %s: %s\n", kind, what);
}

#define LOWER_VECTORS(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
#define UPPER_VECTORS(f) f(16) f(17) f(18) f(19) f(20) f(21) f(22) f(23) f(24) f(25) f(26) f(27) f(28) f(29) f(30) f(31)
#define MASKS(f) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

// Overwrites what a switch must not be trusted to keep. In the caller's frame, so that no epilogue restores it.
[[gnu::always_inline]] inline void overwrite_registers() {
  asm volatile(
      "mov $-1, %%rax\n\t"
      "mov %%rax, %%rcx\n\t mov %%rax, %%rdx\n\t mov %%rax, %%rsi\n\t mov %%rax, %%rdi\n\t"
      "mov %%rax, %%r8\n\t mov %%rax, %%r9\n\t mov %%rax, %%r10\n\t mov %%rax, %%r11\n\t"
      "mov %%rax, %%r12\n\t mov %%rax, %%r13\n\t mov %%rax, %%r14\n\t mov %%rax, %%r15\n\t" ::
          : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
  asm volatile(
      "fld1\n\t fld1\n\t fld1\n\t fld1\n\t fld1\n\t fld1\n\t fld1\n\t fld1\n\t"
      "fstp %%st(0)\n\t fstp %%st(0)\n\t fstp %%st(0)\n\t fstp %%st(0)\n\t"
      "fstp %%st(0)\n\t fstp %%st(0)\n\t fstp %%st(0)\n\t fstp %%st(0)" ::
          : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
#if defined(__AVX512F__)
#define ONES(n) asm volatile("vpternlogd $255, %%zmm" #n ", %%zmm" #n ", %%zmm" #n ::: "xmm" #n);
#elif defined(__AVX2__)
#define ONES(n) asm volatile("vpcmpeqd %%ymm" #n ", %%ymm" #n ", %%ymm" #n ::: "xmm" #n);
#else
#define ONES(n) asm volatile("pcmpeqd %%xmm" #n ", %%xmm" #n ::: "xmm" #n);
#endif
  LOWER_VECTORS(ONES)
#if defined(__AVX512F__)
  UPPER_VECTORS(ONES)
#define MASK(n) asm volatile("kxnorw %%k" #n ", %%k" #n ", %%k" #n ::: "k" #n);
  MASKS(MASK)
#endif
}

// The ways of leaving a stack. `partner` is where the last two go.
fiber* partner = nullptr;
struct by_suspend {
  [[gnu::always_inline]] static void go() { this_fiber::suspend(); }
};
struct by_resume {
  [[gnu::always_inline]] static void go() { partner->resume(); }
};
struct by_transfer {
  [[gnu::always_inline]] static void go() { partner->transfer(); }
};

// The classes of state: a type, a value of it from a number, and an empty statement that pins it to its registers.
struct integers {
  static constexpr const char* name = "integer registers";
  using type = std::uint64_t;
  static constexpr std::size_t bytes = 8;
  static type make(unsigned n) { return 0x9e3779b97f4a7c15u * (n + 1); }
  [[gnu::always_inline]] static void pin(type& value) { asm volatile("" : "+r"(value)); }
};
struct doubles {
  static constexpr const char* name = "scalar doubles";
  using type = double;
  static constexpr std::size_t bytes = 8;
  static type make(unsigned n) { return 1.0 / (n + 1); }
  [[gnu::always_inline]] static void pin(type& value) { asm volatile("" : "+x"(value)); }
};
struct long_doubles {
  static constexpr const char* name = "long double (x87)";
  using type = long double;
  static constexpr std::size_t bytes = 10;
  static type make(unsigned n) { return 1.0L / (static_cast<long double>(n) + 3); }
  [[gnu::always_inline]] static void pin(type& value) { asm volatile("" : "+t"(value)); }
};
typedef std::uint32_t xmm_vector __attribute__((vector_size(16)));
typedef std::uint32_t ymm_vector __attribute__((vector_size(32)));
typedef std::uint32_t zmm_vector __attribute__((vector_size(64)));
template <class Vector>
struct vectors {
  using type = Vector;
  static constexpr std::size_t bytes = sizeof(Vector);
  static constexpr const char* name = bytes == 16 ? "xmm vectors" : bytes == 32 ? "ymm vectors" : "zmm vectors";
  [[gnu::noinline]] static type make(unsigned n) {
    type made;
    for (unsigned i = 0; i < bytes / 4; ++i) made[i] = n * 2654435761u + i;
    return made;
  }
  [[gnu::always_inline]] static void pin(type& value) {
#if defined(__AVX512F__) && defined(__AVX512VL__)
    asm volatile("" : "+v"(value));
#else
    asm volatile("" : "+x"(value));
#endif
  }
};
#if defined(__AVX512F__)
struct masks {
  static constexpr const char* name = "mask registers";
  using type = std::uint16_t;
  static constexpr std::size_t bytes = 2;
  static type make(unsigned n) { return static_cast<type>(n * 40503u); }
  [[gnu::always_inline]] static void pin(type& value) { asm volatile("" : "+Yk"(value)); }
};
#endif

// More values than there are callee-saved registers, so that whatever the switch forgets to name is in use; for the
// 32 vector registers of AVX-512, more than the lower 16.
#define EACH(f)                                                                                                       \
  f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15) f(16) f(17) f(18) f(19) f(20) \
      f(21) f(22) f(23)

template <class Kind, class Way>
[[gnu::noinline]] bool hold(unsigned seed) {
  bool kept = true;
  for (unsigned round = 0; round < 3; ++round) {
    const unsigned base = seed + 100 * round;
#define MAKE(i) typename Kind::type value##i = Kind::make(base + i);
#define PIN(i) Kind::pin(value##i);
#define COMPARE(i)                                             \
  {                                                            \
    const typename Kind::type wanted = Kind::make(base + i);   \
    kept &= std::memcmp(&value##i, &wanted, Kind::bytes) == 0; \
  }
    EACH(MAKE)
    EACH(PIN)
    Way::go();
    EACH(PIN)
    EACH(COMPARE)
    overwrite_registers();
  }
  return kept;
}

// ---- the same for whole frames

template <class Way>
[[gnu::noinline]] bool hold_aligned_beside_variable(unsigned seed, std::size_t bytes) {
  alignas(64) unsigned char aligned[64];
  auto* variable = static_cast<unsigned char*>(alloca(bytes));
  asm volatile("" : : "r"(aligned), "r"(variable) : "memory");
  std::memset(aligned, static_cast<int>(seed & 127), sizeof aligned);
  std::memset(variable, static_cast<int>((seed + 1) & 127), bytes);
  bool kept = true;
  for (unsigned round = 0; round < 3; ++round) {
    Way::go();
    asm volatile("" : : "r"(aligned), "r"(variable) : "memory");
    kept &= reinterpret_cast<std::uintptr_t>(aligned) % 64 == 0;
    for (unsigned char byte : aligned) kept &= byte == (seed & 127);
    for (std::size_t i = 0; i < bytes; ++i) kept &= variable[i] == ((seed + 1) & 127);
    overwrite_registers();
  }
  return kept;
}

// A leaf function keeps its locals below its stack pointer, in the red zone. suspend() itself has calls on its cold
// paths, so this is its fast path alone.
#if defined(__x86_64__) && !defined(RAMIE_SWITCH_UCONTEXT) && !defined(RAMIE_ASAN) && !defined(RAMIE_TSAN)
#define HAS_LEAF 1
[[gnu::noinline]] std::uint64_t leaf(std::uint64_t seed) {
  volatile std::uint64_t locals[12];
  for (std::uint64_t i = 0; i < 12; ++i) locals[i] = seed + i;
  namespace context = ramie::context;
  context::control_block* self = context::this_thread_words()->current;
  context::switch_back(self->resumer_sp, context::plain, self);
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 12; ++i) sum += locals[i];
  return sum;
}
#endif

// ---- pairs: who holds what while who runs

// The other side holds values of the same class; then it only overwrites.
template <bool (*inside)(unsigned), bool (*outside)(unsigned), bool (*across)(unsigned)>
void try_ways(const char* kind) {
  {
    bool kept = false;
    fiber held([&] { kept = inside(1000); });
    while (held.resume()) overwrite_registers();
    check(kept, kind, "held by a fiber over suspend()");
  }
  {
    fiber other([] {
      while (true) {
        overwrite_registers();
        this_fiber::suspend();
      }
    });
    partner = &other;
    check(outside(2000), kind, "held by the caller over resume()");
  }
  {
    bool kept = false;
    fiber held([&] { kept = inside(3000); });
    partner = &held;
    const bool also = outside(4000);
    held.resume();
    check(kept && also, kind, "held by both over resume() and suspend()");
  }
  {
    bool kept = false;
    fiber second;
    fiber first([&] {
      partner = &second;
      kept = across(5000);
    });
    second = fiber([&] {
      while (true) {
        overwrite_registers();
        first.transfer();
      }
    });
    first.transfer();
    check(kept, kind, "held over transfer()");
  }
}

template <class Kind>
void try_kind() {
  try_ways<&hold<Kind, by_suspend>, &hold<Kind, by_resume>, &hold<Kind, by_transfer>>(Kind::name);
}

template <class Way>
bool hold_frame(unsigned seed) {
  return hold_aligned_beside_variable<Way>(seed, 100 + seed % 7) && hold_aligned_beside_variable<Way>(seed + 1, 3000);
}

void try_leaf() {
#if defined(HAS_LEAF)
  std::uint64_t sum = 0;
  fiber f([&] { sum = leaf(7); });
  while (f.resume()) overwrite_registers();
  check(sum == 12 * 7 + 66, "red zone", "a leaf's locals over its own suspend");
#endif
}

// A function for AVX-512 in a file that is compiled without: the switch that is inlined into it does not see
// __AVX512F__. g++ does not let the switch name registers that the file's target lacks: see switch_x86_64.hpp.
#if defined(__clang__) && defined(__x86_64__)
template <class Way>
[[gnu::noinline, gnu::target("avx512f,avx512vl")]] bool hold_upper_vectors(unsigned seed) {
  zmm_vector values[24];
#pragma clang loop unroll(full)
  for (unsigned i = 0; i < 24; ++i) {
    values[i] = zmm_vector{} + (seed + i);
    asm volatile("" : "+v"(values[i]));
  }
  Way::go();
  bool kept = true;
#pragma clang loop unroll(full)
  for (unsigned i = 0; i < 24; ++i) {
    asm volatile("" : "+v"(values[i]));
    for (int lane = 0; lane < 16; ++lane) kept &= values[i][lane] == seed + i;
  }
  return kept;
}
[[gnu::noinline, gnu::target("avx512f,avx512vl")]] void overwrite_upper_vectors() {
#define UPPER_ONES(n) asm volatile("vpternlogd $255, %%zmm" #n ", %%zmm" #n ", %%zmm" #n ::: "xmm" #n);
  UPPER_VECTORS(UPPER_ONES)
}
void try_function_target() {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl")) {
    std::puts("skipped: a function for AVX-512 in a file without: this processor has none");
    return;
  }
  bool kept = false;
  fiber f([&] { kept = hold_upper_vectors<by_suspend>(7); });
  while (f.resume()) overwrite_upper_vectors();
  check(kept, "zmm16 to zmm31", "in a function of another target than its file");
}
#else
void try_function_target() {}
#endif

// ---- what belongs to the thread or to the fiber

void try_errno() {
  fiber f([] {
    check(errno == 0, "errno", "a new fiber begins with 0");
    errno = EDOM;
    this_fiber::suspend();
    check(errno == EDOM, "errno", "a fiber's own is there when it is resumed");
    errno = ERANGE;
  });
  errno = ENOENT;
  f.resume();
  check(errno == ENOENT, "errno", "the caller's is there after resume()");
  errno = EPERM;
  f.resume();
  check(errno == EPERM, "errno", "the caller's is there after the fiber's end");
  errno = 0;
}

#if defined(__x86_64__)
unsigned sse_control() {
  unsigned word = 0;
  asm volatile("stmxcsr %0" : "=m"(word));
  return word & 0xffc0u;  // without the sticky flags
}
void set_sse_control(unsigned word) { asm volatile("ldmxcsr %0" : : "m"(word)); }
unsigned short x87_control() {
  unsigned short word = 0;
  asm volatile("fnstcw %0" : "=m"(word));
  return word;
}
void set_x87_control(unsigned short word) { asm volatile("fldcw %0" : : "m"(word)); }
#endif

// Documented: control words are the thread's, and a fiber that changes them changes them for its thread. The portable
// twin saves them, because swapcontext() does.
void try_control_words() {
#if defined(__x86_64__)
  constexpr unsigned toward_zero = 0x6000;   // MXCSR rounding
  constexpr unsigned short single = 0x0c00;  // x87 rounding toward zero
  const unsigned sse = sse_control();
  const unsigned short x87 = x87_control();
  fiber f([&] {
    set_sse_control(sse | toward_zero);
    set_x87_control(static_cast<unsigned short>(x87 | single));
    this_fiber::suspend();
  });
  f.resume();
#if defined(RAMIE_SWITCH_UCONTEXT)
  check(sse_control() == sse && x87_control() == x87, "control words", "the portable switch keeps each side's");
#else
  check(sse_control() == (sse | toward_zero), "control words", "MXCSR is the thread's");
  check(x87_control() == (x87 | single), "control words", "the x87 control word is the thread's");
#endif
  set_sse_control(sse);
  set_x87_control(x87);
  f.resume();
#if !defined(RAMIE_SWITCH_UCONTEXT)
  check(sse_control() == sse && x87_control() == x87, "control words", "unchanged where no fiber changes them");
#endif
#endif
}

// ---- exceptions: each stack has its own in flight

struct numbered {
  int number;
};

int current_number() {
  try {
    throw;
  } catch (const numbered& caught) {
    return caught.number;
  }
}

void catch_and_suspend(int number) {
  try {
    throw numbered{number};
  } catch (const numbered& caught) {
    this_fiber::suspend();
    check(caught.number == number, "exceptions", "the caught one, over suspend()");
    check(current_number() == number, "exceptions", "`throw;` throws one's own");
    check(std::uncaught_exceptions() == 0, "exceptions", "none is uncaught in a handler");
    this_fiber::suspend();
    check(current_number() == number, "exceptions", "`throw;` again, after others have thrown");
  }
  check(std::current_exception() == nullptr, "exceptions", "none after the handler");
}

void try_handlers() {
  fiber first([] { catch_and_suspend(1); });
  fiber second([] { catch_and_suspend(2); });
  fiber thrower([] {
    while (true) {
      check(std::current_exception() == nullptr, "exceptions", "a fiber sees nobody else's");
      try {
        throw numbered{3};
      } catch (const numbered&) {
        check(current_number() == 3, "exceptions", "a fiber that never suspends in a handler");
      }
      this_fiber::suspend();
    }
  });
  bool living = true;
  while (living) {
    living = first.resume();
    check(std::current_exception() == nullptr, "exceptions", "the caller sees no fiber's");
    thrower.resume();
    living |= second.resume();
    thrower.resume();
    if (!living) break;
    try {
      throw numbered{4};
    } catch (const numbered&) {
      thrower.resume();
      check(current_number() == 4, "exceptions", "the caller's own, over resume()");
    }
  }
  check(first.done() && second.done(), "exceptions", "both came to their end");
}

// A destructor that suspends while an exception passes through it: one is uncaught there, none elsewhere.
struct suspends_at_its_end {
  ~suspends_at_its_end() {
    const int before = std::uncaught_exceptions();
    this_fiber::suspend();
    check(before == 1 && std::uncaught_exceptions() == 1, "exceptions", "one is uncaught while unwinding");
  }
};

void try_unwinding() {
  int caught = 0;
  fiber f([&] {
    try {
      suspends_at_its_end guard;
      throw numbered{5};
    } catch (const numbered& error) {
      caught = error.number;
    }
  });
  f.resume();
  check(std::uncaught_exceptions() == 0, "exceptions", "none is uncaught in the caller");
  try {
    throw numbered{6};
  } catch (const numbered& error) {
    check(error.number == 6, "exceptions", "the caller throws while a fiber unwinds");
  }
  f.resume();
  check(caught == 5, "exceptions", "the unwinding goes on to its handler");
}

// ---- addresses

thread_local int of_the_thread = 0;

void try_addresses() {
  int* outside = &of_the_thread;
  fiber f([&] {
    check(&of_the_thread == outside, "thread_local", "the same in a fiber");
    this_fiber::suspend();
    check(&of_the_thread == outside, "thread_local", "the same after a suspend");
#if defined(__x86_64__)
    // What movaps and a call rely on: 16-aligned locals are, without the function aligning its frame.
    alignas(16) unsigned char local[16];
    asm volatile("movaps %%xmm0, %0" : "=m"(local));
    check(reinterpret_cast<std::uintptr_t>(local) % 16 == 0, "stack alignment", "at the fiber's entry");
#endif
  });
  while (f.resume()) {
  }
  check(&of_the_thread == outside, "thread_local", "the same in the caller afterwards");
}

}  // namespace

int main() {
  try_kind<integers>();
  try_kind<doubles>();
  try_kind<vectors<xmm_vector>>();
#if defined(__x86_64__)
  try_kind<long_doubles>();
#endif
#if defined(__AVX__)
  try_kind<vectors<ymm_vector>>();
#endif
#if defined(__AVX512F__)
  try_kind<vectors<zmm_vector>>();
  try_kind<masks>();
#endif
  try_ways<&hold_frame<by_suspend>, &hold_frame<by_resume>, &hold_frame<by_transfer>>("aligned local beside alloca");
  try_leaf();
  try_function_target();
  try_errno();
  try_control_words();
  try_handlers();
  try_unwinding();
  try_addresses();
  if (failures == 0) std::puts("state: everything that must cross a switch does");
  return failures == 0 ? 0 : 1;
}
