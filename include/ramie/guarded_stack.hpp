// Guarded stacks for code that has its own way of switching: Boost.Context, a coroutine library, a C interpreter.
//
// Status: stable.
//
//     ramie::stack_source stacks({.stack_bytes = 32 << 10, .name = "parser"});
//     ramie::guarded_stack one = stacks.acquire();     // [top - usable_bytes, top), the guard below
//     ...                                              // run on it, by whatever means
//     stacks.release(one);                             // when nothing runs on it any more
//
// They come from where the stacks of ramie::fiber come from, under the same contract: guarded, or stack_error says why
// not. A million take fewer than a hundred mappings where the kernel has a guard without one (docs/guide/stacks.md).
// Running into the guard writes a report to stderr that names the stack, and then does what would have happened anyway.
//
// Any thread may acquire and any other may release. The thread that acquires gets an alternate signal stack for the
// report; one that only runs on stacks acquired elsewhere calls prepare_thread_for_reports() first.
#pragma once

#include <ramie/label.hpp>
#include <ramie/stack.hpp>

#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {

struct stack_options {
  std::size_t stack_bytes = 0;                   // 8 KiB to 128 MiB, 0: 64 KiB; colouring takes up to 1,008 of them
  label name = {};                               // shown in reports
  ramie::guard guard = ramie::guard::automatic;  // guard::none only for those who ask
};

// A stack on loan; a value, two words. It owns nothing: who acquired it releases it, once.
struct guarded_stack {
  void* top = nullptr;           // one past the highest byte for its user, a multiple of 16
  std::size_t usable_bytes = 0;  // from the guard up to top

  [[nodiscard]] void* low() const noexcept { return static_cast<char*>(top) - usable_bytes; }
};

// What is below is the machinery that acquire() and release() inline; not for direct use.
namespace lending {

// Size class, guard, title and name in one word: what is equal here is interchangeable.
using source_key = std::uint64_t;

// Above each stack on loan, in the cache line of its user's first frame; release() is told a top only, as Boost does.
struct ticket {
  source_key key;            // 0: not on loan
  ticket* next;              // on a shelf
  std::size_t usable_bytes;  // below this ticket
  std::uint32_t depth;       // on a shelf: how many lie there with this one
  void* slot;
  void* checker;
};
static_assert(sizeof(ticket) == 48);

// The stacks that this thread released last, all of one key, the latest on top. To the pool they are still lent.
struct shelf {
  source_key key;
  std::uint32_t most;  // 0 until the thread was prepared, and where a checker watches
  ticket* top;         // at the least `bottom`
  ticket bottom;       // depth 0
};
extern "C" {
[[gnu::visibility("default"), gnu::tls_model("initial-exec")]] extern __thread shelf ramie_lent_stacks_v0;
}

// By way of a register: g++ 12's UndefinedBehaviorSanitizer takes the address of an extern __thread object for null.
inline shelf& this_shelf() noexcept {
  shelf* place = &ramie_lent_stacks_v0;
  asm("" : "+r"(place));
  return *place;
}

enum class title : unsigned char { lent_stack, boost_stack };
source_key make_key(std::size_t stack_bytes, ramie::guard guard, const char* name, title shown_as);
guarded_stack acquire_slow(source_key key);
void release_slow(const guarded_stack& stack) noexcept;

// Gives back to the shelf of `key`, or by the slow path.
inline void release_to(source_key key, const guarded_stack& stack) noexcept {
  shelf& mine = this_shelf();
  auto* given = static_cast<ticket*>(stack.top);
  if (mine.key != key || given->key != key || mine.top->depth >= mine.most) [[unlikely]]
    return release_slow(stack);
  given->key = 0;
  given->next = mine.top;
  given->depth = mine.top->depth + 1;
  __atomic_store_n(&mine.top, given, __ATOMIC_RELAXED);
}

}  // namespace lending

// Where stacks of one size and name come from. One word, copied freely: all sources share one pool.
class stack_source {
 public:
  // Throws stack_error for a size that is not offered. Takes no stack.
  explicit stack_source(const stack_options& options = {}) : stack_source(options, lending::title::lent_stack) {}

  // Throws stack_error when the system will not give a guarded stack: limit, count, cure. A few loads and stores for
  // one of the 64 that this thread released last, 3 ns for one it released earlier, 700 ns and a page fault for a new
  // one.
  [[nodiscard]] guarded_stack acquire() const {
    lending::shelf& mine = lending::this_shelf();
    lending::ticket* taken = mine.top;
    if (mine.key != key_ || taken == &mine.bottom) [[unlikely]]
      return lending::acquire_slow(key_);
    __atomic_store_n(&mine.top, taken->next, __ATOMIC_RELAXED);  // count_stacks() reads it on other threads
    taken->key = key_;
    return {taken, taken->usable_bytes};
  }

  // Nothing may run on it any more. Of any source: it goes where it came from. Releasing what was not acquired, or
  // twice, is a bug: it is named, and aborts.
  void release(const guarded_stack& stack) const noexcept { lending::release_to(key_, stack); }

  // Which guard it has, how large, how many pages were ever touched. Costs system calls.
  [[nodiscard]] static stack_info info(const guarded_stack& stack) noexcept;

  // For the C face: the source of a key.
  explicit stack_source(lending::source_key key) noexcept : key_(key) {}

 protected:
  stack_source(const stack_options& options, lending::title shown_as)
      : key_(lending::make_key(options.stack_bytes, options.guard, options.name.text(), shown_as)) {}

 private:
  lending::source_key key_;
};

// The calling thread can from now on report an overflow. Threads that acquire a stack or start a fiber can anyhow.
void prepare_thread_for_reports();

}  // namespace v0
}  // namespace ramie

#pragma GCC visibility pop
