#include "park/park.hpp"
#include "poll/poller.hpp"

#include <cerrno>

namespace ramie::inline v0::poll {
namespace {

class used_descriptor {
 public:
  explicit used_descriptor(descriptor& one) noexcept : one_(one.use() ? &one : nullptr) {}
  ~used_descriptor() {
    if (one_ != nullptr) one_->let_go();
  }
  used_descriptor(const used_descriptor&) = delete;
  used_descriptor& operator=(const used_descriptor&) = delete;
  [[nodiscard]] explicit operator bool() const noexcept { return one_ != nullptr; }

 private:
  descriptor* const one_;
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
  const used_descriptor used(*one.on);
  if (!used || one.on->closed()) return -EBADF;
  one.asked.descriptor = one.on->number();
  one.asked.may_block = one.on->may_block();
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
