// One operation on a descriptor, from its call until its result: a small object in the frame that waits.
//
//     operation one{.asked = {.kind = os::io_kind::receive, ...}, .on = descriptor, .kind = &receive_wait};
//     int result = perform(one);                  // or -errno; throws ramie::cancelled
//
// What the request points to lives in the same frame or further out, and perform() does not come back, by an exception
// neither, before the kernel has let go of it. One that has moved bytes, or accepted somebody, returns them: a
// cancellation that came too late is thrown at the next wait.
#pragma once

#include "os/io_request.hpp"
#include "poll/descriptor.hpp"

#include <ramie/park/wait.hpp>

#include <atomic>
#include <cstdint>

namespace ramie::inline v0::poll {

class poller;

struct operation {
  os::io_request asked;
  descriptor* on = nullptr;
  const parking::wait_kind* kind = nullptr;  // its withdraw is poll::withdraw

  // The poller's and the descriptor's.
  poller* at = nullptr;  // null: the thread blocks
  parking::waiter* me = nullptr;
  int result = 0;
  bool called_off = false;        // the kernel was asked to give it back
  bool was_closed_first = false;  // then; else its task was told to go
  bool is_only_tried = false;     // never waits: that it would is the answer
  bool ends_in_child = false;     // a readiness of what a fork shares with the parent: left_in_fork
  bool owes_start = false, owes_cancel = false, owing = false;
  // Set before they are read, and not here: clearing the whole object costs more than all that follows.
  operation* next_owing;
  operation* next;  // in the descriptor's list
  operation* previous;
  // From a thread that closes the descriptor. While it is under way the operation stays.
  struct close_letter : parking::letter {
    operation* of;  // set when it is posted
    parking::waiter* reader = nullptr;
    bool posted = false;  // under the descriptor's lock
    bool opened = false;  // home thread
  } letter;
};

// The result, in a forked child, of one that the parent's kernel carries out for the parent. No errno is that large.
inline constexpr int left_in_fork = -4096;

// Does it; parks meanwhile, or blocks on a thread without a scheduler. Its result or -errno: ECANCELED, the descriptor
// was closed meanwhile; EBADF, before; or left_in_fork. Charges the running task. Throws ramie::cancelled, and
// std::system_error when the poller that was asked for does not work here.
int perform(operation& one);

// For the wait_kind of an operation.
bool withdraw(parking::waiter& one) noexcept;

}  // namespace ramie::inline v0::poll
