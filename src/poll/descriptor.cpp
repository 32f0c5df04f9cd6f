#include "poll/descriptor.hpp"

#include "base/check.hpp"
#include "park/park.hpp"
#include "poll/poller.hpp"

#include <mutex>

namespace ramie::inline v0::poll {
namespace {

std::atomic<std::uint64_t> ids = 1;

constexpr parking::wait_kind closing = {"descriptor closed elsewhere", nullptr};

// Home thread.
void tell_closed(operation& one) noexcept {
  if (one.at->call_off(one)) one.at->home().make_ready(*one.me->who);
}

void open_close_letter(parking::letter& sent) noexcept {
  auto& read = static_cast<operation::close_letter&>(sent);
  read.opened = true;
  if (read.reader != nullptr) return parking::wake(*read.reader);
  // Null between two waits of the operation: its task is ready.
  if (read.of->me != nullptr) tell_closed(*read.of);
}

}  // namespace

descriptor::descriptor(int number, descriptor_traits traits) noexcept
    : number_(number), traits_(traits), id_(ids.fetch_add(1, std::memory_order_relaxed)) {}

descriptor::~descriptor() {
  forget_the_parents();
  RAMIE_CHECK(waiting_ == nullptr && blocked_ == nullptr && (state_.load(std::memory_order_relaxed) & uses) == 0);
}

bool descriptor::use() noexcept {
  std::uint64_t seen = state_.load(std::memory_order_relaxed);
  do {
    if ((seen & uses) == 0) return false;
  } while (!state_.compare_exchange_weak(seen, seen + one_owner + one_use, std::memory_order_acquire,
                                         std::memory_order_relaxed));
  return true;
}

void descriptor::release_number() noexcept {
  if (watched_.load(std::memory_order_relaxed)) {
    if (sched::poller* here = sched::poller_made_here()) static_cast<poller*>(here)->forget(number_, id_);
  }
  if (traits_.ours) os::close_descriptor(number_);
}

bool descriptor::enlist(operation& one) noexcept {
  std::lock_guard held(lock_);
  if (closed()) return false;
  one.previous = nullptr;
  one.next = waiting_;
  if (waiting_ != nullptr) waiting_->previous = &one;
  waiting_ = &one;
  return true;
}

void descriptor::delist(operation& one) noexcept {
  {
    std::lock_guard held(lock_);
    (one.previous == nullptr ? waiting_ : one.previous->next) = one.next;
    if (one.next != nullptr) one.next->previous = one.previous;
    if (!one.letter.posted) return;
  }
  if (one.letter.opened) return;
  parking::waiter me;
  one.letter.reader = &me;
  parking::park_shielded(me, closing);
}

bool descriptor::enlist(blocked& one) noexcept {
  std::lock_guard held(lock_);
  if (closed()) return false;
  forget_the_parents();
  one.next = blocked_;
  blocked_ = &one;
  return true;
}

void descriptor::delist(blocked& one) noexcept {
  std::lock_guard held(lock_);
  blocked** place = &blocked_;
  while (*place != &one) place = &(*place)->next;
  *place = one.next;
}

void descriptor::close() noexcept {
  {
    std::lock_guard held(lock_);
    if (closed()) return;
    closed_.store(true, std::memory_order_release);
    forget_the_parents();
    for (blocked* one = blocked_; one != nullptr; one = one->next) os::sound(one->alarm);
    for (operation* one = waiting_; one != nullptr; one = one->next) {
      parking::host& home = one->at->home();
      if (&home == parking::this_host()) {
        tell_closed(*one);
      } else {
        one->letter.of = one;
        one->letter.open = &open_close_letter;
        one->letter.posted = true;
        home.post(one->letter);
      }
    }
  }
  drop_use();
}

}  // namespace ramie::inline v0::poll
