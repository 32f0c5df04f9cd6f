#include "poll/completion.hpp"

#include "park/park.hpp"

#include <cerrno>

namespace ramie::inline v0::poll {
namespace {

// The request is another while this lives.
class asks_instead {
 public:
  asks_instead(operation& one, const os::io_request& other) noexcept : one_(one), asked_(one.asked) {
    one.asked = other;
  }
  ~asks_instead() { one_.asked = asked_; }
  asks_instead(const asks_instead&) = delete;
  asks_instead& operator=(const asks_instead&) = delete;

 private:
  operation& one_;
  const os::io_request asked_;
};

// An answer that brings nothing: an error, or the end of a stream.
bool is_empty_handed(const operation& one) noexcept {
  const bool reads = one.asked.kind == os::io_kind::receive || one.asked.kind == os::io_kind::read;
  return one.result < 0 || (reads && one.result == 0);
}

}  // namespace

int completion_poller::once(operation& one) {
  for (;;) {
    {
      const standing here(one);
      if (!here) return -ECANCELED;
      parking::waiter me;
      me.object = &one;
      one.called_off = false;
      one.me = &me;
      start(one);
      ++in_flight_;
      parking::park(me, *one.kind);  // throws nothing: it is never withdrawn
      one.me = nullptr;
    }
    if (one.result == left_in_fork) return one.result;
    if (one.on->closed() && is_empty_handed(one)) {
      // Perhaps its other end was closed with it, and that was seen first. A cancellation that came before is told.
      if (one.called_off && !one.was_closed_first) parking::check_cancelled(home_);
      return -ECANCELED;
    }
    if (one.result != -ECANCELED || !one.called_off) return one.result;
    parking::check_cancelled(home_);
    // Asked to go, and then not: by a scope that has been left.
  }
}

int completion_poller::run(operation& one) {
  const bool receives = one.asked.kind == os::io_kind::receive;
  one.asked.likely_waits = receives && one.on->is_emptied();
  if (const int refused = renew_if_inherited(); refused != 0) return refused;
  const bool is_tried_here = one.asked.kind == os::io_kind::write && one.on->is_pipe();
  for (;;) {
    const int result = is_tried_here ? os::attempt(one.asked) : os::settled(one.asked.kind, once(one));
    if (os::was_interrupted(result)) continue;
    if (!os::would_wait(one.asked.kind, result)) {
      if (receives) one.on->emptied(result > 0 && static_cast<std::uint32_t>(result) < one.asked.count);
      return result;
    }
    // The file says O_NONBLOCK, and so the kernel did not wait.
    os::io_request ready;
    ready.events = os::events_of(one.asked);
    ready.descriptor = one.asked.descriptor;
    const asks_instead waits(one, ready);
    if (const int happened = once(one); happened < 0) return happened;
    if (one.on->closed()) return -ECANCELED;
  }
}

bool completion_poller::call_off(operation& one) noexcept {
  if (!one.called_off && one.me != nullptr) {
    one.called_off = true;
    one.was_closed_first = one.on->closed();
    ask_back(one);
  }
  return false;
}

void completion_poller::ended(operation& one, int result) noexcept {
  --in_flight_;
  one.result = result;
  parking::waiter& me = *one.me;
  one.me = nullptr;  // nothing is to be called off any more
  home_.make_ready(*me.who);
}

}  // namespace ramie::inline v0::poll
