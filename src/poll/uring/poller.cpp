#include "poll/uring/poller.hpp"

#include "base/check.hpp"
#include "os/clock.hpp"
#include "park/park.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace ramie::inline v0::poll {
namespace {

constexpr std::size_t answers_at_once = 64;

std::uint64_t tag_of(const operation& one) noexcept { return reinterpret_cast<std::uintptr_t>(&one); }

}  // namespace

uring_poller::uring_poller(parking::host& home, std::unique_ptr<os::ring> works) noexcept
    : completion_poller(home), ring_(std::move(works)) {}

uring_poller::~uring_poller() { RAMIE_CHECK(in_flight_ == 0); }

bool uring_poller::push(operation& one) noexcept {
  return ring_->push(one.asked, tag_of(one)) || (ring_->submit() == 0 && ring_->push(one.asked, tag_of(one)));
}

bool uring_poller::push_cancel(operation& one) noexcept {
  return ring_->push_cancel(tag_of(one)) || (ring_->submit() == 0 && ring_->push_cancel(tag_of(one)));
}

int uring_poller::renew() noexcept {
  const int refused = ring_->renew();
  if (refused == 0) made_in_ = os::fork_count();  // else it is tried again
  first_owing_ = nullptr;
  last_owing_ = &first_owing_;
  each_in_flight([&](operation& one) noexcept {
    const bool moves_nothing = one.asked.kind == os::io_kind::readiness || one.asked.kind == os::io_kind::accept;
    const bool is_repeatable = moves_nothing && !one.ends_in_child;
    const bool was_given = !std::exchange(one.owing, false) || !one.owes_start;
    if (refused == 0 && !one.called_off && (is_repeatable || !was_given)) return start(one);
    ended(one, one.called_off ? -ECANCELED : left_in_fork);
  });
  return refused;
}

void uring_poller::start(operation& one) noexcept {
  one.owes_start = one.owes_cancel = false;
  if (first_owing_ == nullptr && push(one)) return;
  one.owes_start = true;
  owe(one);
}

void uring_poller::ask_back(operation& one) noexcept {
  if (is_inherited()) return;  // then it ends by being made anew
  if (first_owing_ == nullptr && push_cancel(one)) return;
  one.owes_cancel = true;
  owe(one);
}

void uring_poller::owe(operation& one) noexcept {
  if (std::exchange(one.owing, true)) return;
  one.next_owing = nullptr;
  *last_owing_ = &one;
  last_owing_ = &one.next_owing;
}

void uring_poller::pay() noexcept {
  while (first_owing_ != nullptr) {
    operation& one = *first_owing_;
    if (one.owes_start) {
      if (!push(one)) return;
      one.owes_start = false;
    }
    if (one.owes_cancel) {
      if (!push_cancel(one)) return;
      one.owes_cancel = false;
    }
    one.owing = false;
    first_owing_ = one.next_owing;
    if (first_owing_ == nullptr) last_owing_ = &first_owing_;
  }
}

// Answered while its cancel still stood in line.
void uring_poller::forgive(operation& one) noexcept {
  operation** place = &first_owing_;
  while (*place != nullptr && *place != &one) place = &(*place)->next_owing;
  RAMIE_CHECK(*place == &one);
  *place = one.next_owing;
  if (last_owing_ == &one.next_owing) last_owing_ = place;
  one.owing = false;
}

bool uring_poller::take_answers() noexcept {
  std::array<os::ring_answer, answers_at_once> answers;
  bool any = false, roused = false;
  for (;;) {
    const std::size_t count = ring_->take(answers.data(), answers.size(), roused);
    for (std::size_t i = 0; i < count; ++i) {
      auto& one = *reinterpret_cast<operation*>(static_cast<std::uintptr_t>(answers[i].tag));
      if (one.owing) forgive(one);
      if (is_moving_ && answers[i].result == -ECANCELED && !one.called_off) {
        ++came_back_;
        continue;
      }
      ended(one, answers[i].result);
    }
    any = any || count != 0 || roused;
    if (count < answers.size()) return any;
  }
}

void uring_poller::look(bool sleeps_next) noexcept {
  if (in_flight_ == 0 || renew_if_inherited() != 0) return;
  take_answers();
  pay();
  if (sleeps_next || !ring_->has_batch()) return;
  ring_->submit();  // refused for now: the batch stays
  take_answers();
}

void uring_poller::move_to_a_watched_ring() {
  const auto enter = [this] {
    const int refused = ring_->submit_and_wait(os::monotonic_now_ns() + again_after_ns);
    if (refused == -EBUSY || refused == -EAGAIN || refused == -ENOMEM) sleep_until_again(INT64_MAX);
    take_answers();
  };
  for (pay(); first_owing_ != nullptr; pay()) enter();
  is_moving_ = true;
  came_back_ = 0;
  each_in_flight([&](operation& one) noexcept {
    while (!push_cancel(one)) enter();
  });
  while (in_flight_ != came_back_) enter();
  is_moving_ = false;
  const int refused = ring_->be_watched();
  each_in_flight([this](operation& one) noexcept { start(one); });
  if (refused != 0) throw std::system_error(-refused, std::system_category(), "io_uring_setup, for a host to watch");
}

int uring_poller::host_descriptor() {
  if (const int refused = renew_if_inherited(); refused != 0)
    throw std::system_error(-refused, std::system_category(), "io_uring, made anew after a fork");
  if (!ring_->tells_watchers()) move_to_a_watched_ring();
  return ring_->descriptor();
}

bool uring_poller::hand_over() noexcept {
  if (renew_if_inherited() != 0) return false;
  pay();
  return ring_->listen() == 0 && first_owing_ == nullptr;
}

bool uring_poller::sleep(std::int64_t due_ns) noexcept {
  if (is_inherited()) [[unlikely]] {
    // Whatever that found is to run first.
    if (renew() != 0) sleep_until_again(due_ns);
    return true;
  }
  pay();
  if (first_owing_ != nullptr) due_ns = std::min(due_ns, os::monotonic_now_ns() + again_after_ns);
  const int refused = ring_->submit_and_wait(due_ns);
  if (take_answers()) return true;
  if (refused == -EBUSY || refused == -EAGAIN || refused == -ENOMEM) {
    sleep_until_again(due_ns);
    return true;
  }
  return refused != -ETIME && (due_ns == INT64_MAX || os::monotonic_now_ns() < due_ns);
}

}  // namespace ramie::inline v0::poll
