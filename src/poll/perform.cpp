#include "park/park.hpp"
#include "poll/poller.hpp"

#include <cerrno>

namespace ramie::inline v0::poll {
namespace {

struct held_descriptor {
  explicit held_descriptor(descriptor& one) noexcept : one_(one) { one.hold(); }
  ~held_descriptor() { one_.let_go(); }
  held_descriptor(const held_descriptor&) = delete;
  held_descriptor& operator=(const held_descriptor&) = delete;

 private:
  descriptor& one_;
};

int block(operation& one) noexcept {
  for (;;) {
    const int result = os::attempt(one.asked);
    if (os::was_interrupted(result)) continue;
    if (!os::would_wait(one.asked.kind, result)) return result;
    os::block_until(one.asked.descriptor, os::events_of(one.asked));
    if (one.on->closed()) return -ECANCELED;
  }
}

}  // namespace

void poller::forget(int, std::uint64_t) noexcept {}

int perform(operation& one) {
  parking::charge(1);
  if (one.on->closed()) return -EBADF;
  one.asked.descriptor = one.on->number();
  one.asked.may_block = one.on->may_block();
  const held_descriptor held(*one.on);
  sched::poller* here = sched::poller_here();
  if (here == nullptr) return block(one);
  one.at = static_cast<poller*>(here);
  return one.at->run(one);
}

bool withdraw(parking::waiter& one) noexcept {
  auto& what = *static_cast<operation*>(one.object);
  return what.at->call_off(what);
}

}  // namespace ramie::inline v0::poll
