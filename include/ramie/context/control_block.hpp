// The words that a switch touches: one control block per fiber, one set of words per thread.
//
// Status: experimental; inlined into users' code, not for direct use.
//
// Installed, because resume and suspend are inlined into users' code; everything here is the ABI between that code and
// the library, versioned by the inline namespace. Nothing here is for users to call.
//
// Glossary: a *slot* is a stack with its guard; the *resumer* of a fiber is who called resume(); a fiber's *home* is
// the thread that started it, which it never leaves; the *root* is a thread's own stack.
#pragma once

#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {
namespace control {
struct chain;
}
namespace context {

struct thread_words;

// The state of a fiber is one word: a stack pointer with a tag in its low three bits (a stack pointer is a multiple of
// eight), or one of the odd values. So one load and one test tell resume() whether it may go ahead.
enum word : std::uintptr_t {
  lost = 0,             // the block was wiped by fork (MADV_WIPEONFORK): the fiber is not in this process
  running = 1,          // on the processor, or waiting for a fiber that it has resumed
  created = 3,          // no stack yet
  ended = 5,            // ran to its end, was killed, or let an exception out; the block awaits its handle's death
  unused = 7,           // no fiber: a free block
  tag_suspended = 0,    // sp: left by suspend(), resume() brings it back
  tag_transferred = 2,  // sp | 2: left by transfer(), transfer() brings it back
  tag_baggage = 4,      // sp | 4: has exceptions in flight, or a cancellation, to be installed first
  tag_mask = 7
};

// What a switch tells the one it continues. Zero is the fast path: nothing.
enum message : std::uintptr_t {
  plain = 0,
  deliver = 1,     // to a suspended fiber: look into your cold block, there is an exception or a kill for you
  finished = 2,    // to a resumer: the fiber that you resumed has ended
  attend = 3,      // to a resumer: it suspended as usual, and there is a kill for you in your cold block
  thread_exit = 4  // to a resumer: the thread exits, unwind
};

// One per fiber, 64 bytes, in a slab: blocks of fibers made one after the other are neighbours, so that a loop over
// fibers reads them as a stream. Everything that a switch does not touch is in the cold block (src/fiber).
struct alignas(64) control_block {
  std::uintptr_t word;        // see enum word
  thread_words* home;         // thread that started it; null before that
  std::uintptr_t resumer_sp;  // where its resumer waits; 0: nobody resumed it
  int errno_value;            // errno while it is not running
  std::uint32_t flags;        // fiber room
  std::uint64_t id;           // unique in the process; 0 when unused; what a fiber_ref compares
  std::uintptr_t stack_low;   // its slot: lowest usable byte
  std::uintptr_t stack_high;  // one past the highest byte, before colouring; 0: no stack
  void* checker;              // what ThreadSanitizer or Valgrind calls this fiber, where one watches
};
static_assert(sizeof(control_block) == 64);

// libstdc++'s and libc++abi's exception state, as the Itanium C++ ABI lays it out (section 2.2.2).
struct exception_words {
  void* caught;
  unsigned uncaught;
};

// Who runs tasks on a thread (room park), as the rooms below see it: it keeps parked chains.
struct chain_keeper {
  // Calls visit(chain, argument) for each chain of this thread that was entered and is parked now, for collectors that
  // look at their stacks. Null: none ever.
  void (*each_chain)(void (*visit)(control::chain& parked, void* argument), void* argument) = nullptr;
};

// One per thread, in its thread-local storage. Only the thread itself writes, except `attention`.
struct thread_words {
  control_block* current;         // the fiber that runs; the root's block when none does
  exception_words* exceptions;    // __cxa_get_globals(), which never moves
  int* errno_pointer;             // &errno
  control_block* last;            // who was resumed last: gives the stride of a loop over fibers
  std::uintptr_t attention;       // enum attention; other threads set bits
  control_block* left;            // the fiber at which control left the root's chain by transfer; null: it is inside
  control_block* root;            // block of this thread's own stack
  std::uint64_t started;          // fibers that this thread started and that have not ended
  control_block* reap;            // a fiber that ended and whose stack the next to run gives back
  control_block* mail;            // blocks whose handles died on other threads; under the fiber room's lock
  std::uint64_t next_id, end_id;  // ids that this thread may give out
  chain_keeper* host;             // who runs tasks on this thread; null: nobody
  void* watch;                    // who wants to know which fibers ran (parked_stacks); null: nobody
};
static_assert(sizeof(thread_words) == 112);

enum attention : std::uintptr_t {
  prefetches = 1,           // many fibers: resume() fetches the stack of the one that will be resumed a few places on
  has_mail = 2,             // another thread dropped a handle of a fiber that lives here
  prefetches_transfers = 4  // fewer are enough for transfer(), whose misses wait for each other
};

// How far ahead the stack of a coming fiber is fetched, in fibers, and from how many live fibers on. Chosen by
// bench/boost_loops.cpp at 256 to 1,048,576 fibers: less than 8 is late at a million, more than 24 gains nothing; below
// 2,000 fibers looking ahead costs a resume more (0.7 ns) than it saves; in a ring of 1,000 it saves a transfer 3 ns.
inline constexpr std::ptrdiff_t prefetch_distance = 16;
inline constexpr std::uint64_t prefetch_from_fibers = 2048;
inline constexpr std::uint64_t prefetch_transfers_from_fibers = 512;
// Two resumed control blocks further apart than this are no loop over neighbours.
inline constexpr std::ptrdiff_t prefetch_reach_bytes = 1024;

// What `current` names on a thread that has not met a fiber yet: nobody resumed it.
extern control_block unmet_root;

extern "C" {
[[gnu::visibility("default"), gnu::tls_model("initial-exec")]] extern __thread thread_words ramie_thread_words_v0;
}

}  // namespace context
}  // namespace v0
}  // namespace ramie

#pragma GCC visibility pop
