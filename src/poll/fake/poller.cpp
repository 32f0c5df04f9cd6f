#include "poll/fake/poller.hpp"

#include "base/check.hpp"
#include "os/futex.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ramie::inline v0::poll {

fake_poller::~fake_poller() { RAMIE_CHECK(pending_.empty()); }

void fake_poller::over(parking::timer& due) noexcept {
  auto& self = static_cast<pending&>(due);
  fake_poller& world = *self.world;
  operation& one = *self.of;
  int result = self.given_back ? -ECANCELED : self.what.result;
  if (result > 0 && one.asked.kind == os::io_kind::receive) {
    result = std::min({result, static_cast<int>(self.what.bytes.size()), static_cast<int>(one.asked.count)});
    std::memcpy(one.asked.memory, self.what.bytes.data(), static_cast<std::size_t>(result));
  }
  world.pending_.erase(self.place);
  world.ended(one, result);
}

void fake_poller::start(operation& one) noexcept {
  outcome what{.after_ns = never, .bytes = {}};
  if (auto& coming = scripts_[one.on->number()]; !coming.empty()) {
    what = std::move(coming.front());
    coming.pop_front();
  }
  pending& mine = pending_.emplace_back();
  mine.place = std::prev(pending_.end());
  mine.world = this;
  mine.of = &one;
  mine.fire = &over;
  mine.what = std::move(what);
  if (mine.what.after_ns != never) home_.set(mine, home_.now_ns() + mine.what.after_ns);
}

void fake_poller::ask_back(operation& one) noexcept {
  for (pending& each : pending_) {
    if (each.of != &one) continue;
    const std::int64_t due_ns = home_.now_ns() + each.what.called_off_after_ns;
    if (each.is_set()) {
      if (each.due_ns <= due_ns) return;  // it comes first
      home_.unset(each);
    }
    each.given_back = true;
    home_.set(each, due_ns);
    return;
  }
}

bool fake_poller::sleep(std::int64_t due_ns) noexcept {
  if (due_ns == INT64_MAX) {
    os::futex_wait(awake_, 0);
  } else if (!os::futex_wait_until(awake_, 0, due_ns)) {
    return false;
  }
  awake_.store(0, std::memory_order_relaxed);
  return true;
}

void fake_poller::rouse() noexcept {
  awake_.store(1, std::memory_order_release);
  os::futex_wake_one(awake_);
}

}  // namespace ramie::inline v0::poll
