#include "park/park.hpp"
#include "poll/poller.hpp"

#include <cerrno>
#include <optional>

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

// Where a thread blocks until close() rings.
class blocked_thread {
 public:
  explicit blocked_thread(descriptor& on) noexcept : on_(on) {
    me_.alarm = os::make_alarm();
    stands_ = on.enlist(me_);
  }
  ~blocked_thread() {
    if (stands_) on_.delist(me_);
    if (me_.alarm >= 0) os::close_descriptor(me_.alarm);
  }
  blocked_thread(const blocked_thread&) = delete;
  blocked_thread& operator=(const blocked_thread&) = delete;
  [[nodiscard]] int alarm() const noexcept { return me_.alarm; }

 private:
  descriptor& on_;
  descriptor::blocked me_;
  bool stands_ = false;
};

int block(operation& one) noexcept {
  std::optional<blocked_thread> here;
  for (;;) {
    const int result = os::attempt(one.asked);
    if (os::was_interrupted(result)) continue;
    if (!os::would_wait(one.asked.kind, result)) return result;
    if (!here) here.emplace(*one.on);
    if (one.on->closed()) return -ECANCELED;
    os::block_until(one.asked.descriptor, os::events_of(one.asked), here->alarm());
    if (one.on->closed()) return -ECANCELED;
  }
}

}  // namespace

void poller::forget(int, std::uint64_t) noexcept {}

int perform(operation& one) {
  const used_descriptor used(*one.on);
  const bool is_open = used && !one.on->closed();
  parking::charge(1);  // others may run here, and close it or destroy its owner
  if (!is_open) return -EBADF;
  if (one.on->closed()) return -ECANCELED;
  one.asked.descriptor = one.on->number();
  one.asked.may_block = one.on->may_block();
  if (one.is_only_tried) {
    int result = 0;
    do {
      result = os::attempt(one.asked);
    } while (os::was_interrupted(result));
    return result;
  }
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
