// What a fiber needs besides the words of a switch: its function, its name, what is to be delivered to it.
//
// Beside the control blocks in the same slab chunk, found by arithmetic: a switch never touches it. Written by the
// fiber's home thread; by its creator before it is started.
#pragma once

#include "stack/pool.hpp"

#include <ramie/fiber.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>

namespace ramie::inline v0::control {

struct local_values;  // locals.cpp

// What waits for a fiber until it can be delivered.
enum class pending : std::uint8_t { nothing, error, kill, thread_exit };

enum fiber_flag : std::uint32_t {
  being_killed = 1,  // its forced unwinding has begun: a second kill does nothing
  is_root = 2,       // a thread's own stack
  is_base = 4        // a task's own fiber: its resumer is the loop of a scheduler
};

struct cold_block {
  const closure_operations* operations;  // of its function; kept after that is destroyed, for its type. Null: a root
  alignas(void*) std::byte closure[inline_closure_bytes];
  const char* name;
  const char* file;
  stack::request stack;  // what it asked for
  bool has_function;     // not destroyed yet
  pending waiting;
  std::uint32_t depth;  // see stack_use.hpp
  stack::slot* slot;
  std::exception_ptr error;  // to be thrown in it, or what escaped from it
  void* caught;              // its exceptions in flight while it is away: see baggage
  unsigned uncaught;
  std::uint32_t line;
  local_values* locals;
  std::uintptr_t held_resumer_sp;  // where its resumer really waits, while resumer_sp is 0 to make suspend() slow
  control_block* next;             // in a mail list
};
static_assert(sizeof(cold_block) == 128);

}  // namespace ramie::inline v0::control
