// Which stacks of parked fibers may have changed since one last looked: for garbage collectors.
//
// Status: experimental.
//
//     struct my_listener : ramie::stack_listener { ... };
//     ramie::parked_stacks stacks;             // watches the calling thread's fibers from here on
//     stacks.look(listener);                   // told of every stack that ran since the last look, and of no other
//
// A parked stack is immutable, so a collector that remembers what it found there need not read it again. What is alive
// of it is [saved stack pointer, base): the registers that matter lie there too. Pages below are never touched.
//
// Cost: none for a switch; a fiber's first continuation after a look is 20 ns slower. A look takes 30 ns for each fiber
// that ran since the one before, however many are parked.
//
// Not seen: what a fiber's function has captured (keep a root<T> in it, not a pointer), and threads' own stacks other
// than the caller's.
#pragma once

#include <cstdint>
#include <memory>

#pragma GCC visibility push(default)
namespace ramie {

class stack_listener {
 public:
  // Place `number` now has this stack, alive in [begin, end). Generation 0: nobody is there any more, or it runs.
  // Another generation than before: the contents may have changed. Numbers are small and used again.
  virtual void stack_at(std::uint32_t number, std::uint32_t generation, const void* begin, const void* end) = 0;
  // A stack in use at this moment: the caller's own, or one that waits for a fiber that it resumed. To be read now.
  virtual void stack_in_use(const void* begin, const void* end) = 0;

 protected:
  ~stack_listener() = default;
};

class parked_stacks {
 public:
  // Watches the fibers that the calling thread has and will have. One at a time on a thread: a second throws
  // std::logic_error. The first look tells of all of them.
  parked_stacks();
  // On the same thread.
  ~parked_stacks();
  parked_stacks(const parked_stacks&) = delete;
  parked_stacks& operator=(const parked_stacks&) = delete;

  // Same thread. What the listener throws is passed on; what it was not told then, it is told at the next look. Throws
  // std::bad_alloc.
  void look(stack_listener& listener);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace ramie
#pragma GCC visibility pop
