// Operations that somebody else carries out and answers: what io_uring and the fake poller have in common.
//
// Once started an operation is the other side's, with the memory that it points to; so calling it off is a request, and
// perform() waits for the answer whatever happens. The answer decides: bytes that were moved win over a cancellation.
#pragma once

#include "poll/poller.hpp"

namespace ramie::inline v0::poll {

class completion_poller : public poller {
 public:
  using poller::poller;
  int run(operation& one) final;
  bool call_off(operation& one) noexcept final;

 protected:
  // It will be answered by ended(), not from in here.
  virtual void start(operation& one) noexcept = 0;
  // Asks for it back. It is answered all the same.
  virtual void ask_back(operation& one) noexcept = 0;
  // Its task goes on with this.
  void ended(operation& one, int result) noexcept;

 private:
  int once(operation& one);
};

}  // namespace ramie::inline v0::poll
