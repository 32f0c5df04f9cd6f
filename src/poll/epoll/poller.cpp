#include "poll/epoll/poller.hpp"

#include "base/check.hpp"
#include "os/clock.hpp"
#include "park/park.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

namespace ramie::inline v0::poll {
namespace {

constexpr std::size_t events_at_once = 256;
constexpr unsigned generation_shift = 32;

}  // namespace

epoll_poller::epoll_poller(parking::host& home) : poller(home), found_(events_at_once) {}

epoll_poller::~epoll_poller() {
  RAMIE_CHECK(in_flight_ == 0);
  for (entry* one : entries_) delete one;
}

parking::wait_list& epoll_poller::line_of(const operation& one) noexcept {
  entry& here = *entries_[static_cast<std::size_t>(one.on->number())];
  const std::int16_t events = os::events_of(one.asked);
  if ((events & os::readable) != 0) return (events & os::writable) != 0 ? here.either : here.readers;
  return here.writers;
}

// 0 or -errno. Who waits tries again, and then watches anew.
int epoll_poller::renew() noexcept {
  if (const int refused = queue_.renew(); refused != 0) return refused;
  for (entry* one : entries_) {
    if (one == nullptr) continue;
    wake_all(one->readers);
    wake_all(one->writers);
    wake_all(one->either);
    one->id = 0;
  }
  return 0;
}

// 0, -errno. Afterwards every edge of its events is told.
int epoll_poller::watch(operation& one) {
  const int number = one.on->number();
  const auto place = static_cast<std::size_t>(number);
  try {
    if (place >= entries_.size()) entries_.resize(std::max(place + 1, 2 * entries_.size()));
    if (entries_[place] == nullptr) entries_[place] = new entry;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
  entry& here = *entries_[place];
  std::int16_t wanted = os::events_of(one.asked);
  // While somebody waits the number is not used again: two descriptors of one number are two names of one file.
  const bool is_known = here.id == one.on->id() || is_waited_for(here);
  if (is_known && (here.watched & wanted) == wanted) return 0;
  if (!is_known) {
    here.id = 0;
    here.watched = 0;
    here.is_empty = here.is_odd = false;
    ++here.generation;
  }
  wanted = static_cast<std::int16_t>(wanted | here.watched);
  const std::uint64_t tag = std::uint64_t{here.generation} << generation_shift | static_cast<std::uint32_t>(number);
  const int refused = is_known ? queue_.watch_again(number, wanted, tag) : queue_.watch(number, wanted, tag);
  if (refused != 0) return refused;
  here.id = one.on->id();
  here.watched = wanted;
  one.on->watched();
  return 0;
}

epoll_poller::entry* epoll_poller::known(const descriptor& one) noexcept {
  const auto place = static_cast<std::size_t>(one.number());
  if (place >= entries_.size() || entries_[place] == nullptr || entries_[place]->id != one.id()) return nullptr;
  return entries_[place];
}

// Without asking. Who is to be called off is to have what is there first, so that one asks.
bool epoll_poller::finds_nothing(const operation& one) noexcept {
  if (!one.on->is_tcp() || one.asked.kind != os::io_kind::receive || home_.running->interrupt) return false;
  const entry* here = known(*one.on);
  return here != nullptr && here->is_empty;
}

void epoll_poller::see_emptied(const operation& one, int received) noexcept {
  if (!one.on->is_tcp() || one.asked.kind != os::io_kind::receive) return;
  if (received <= 0 || static_cast<std::uint32_t>(received) == one.asked.count) return;
  entry* here = known(*one.on);
  if (here != nullptr && !here->is_odd && (here->watched & os::readable) != 0) here->is_empty = true;
}

int epoll_poller::run(operation& one) {
  for (;;) {
    if (!finds_nothing(one)) {
      const int result = os::attempt(one.asked);
      if (!os::would_wait(one.asked.kind, result)) {
        if (os::was_interrupted(result)) continue;
        see_emptied(one, result);
        return result;
      }
    }
    const standing here(one);
    if (!here) return -ECANCELED;
    if (queue_.is_inherited()) [[unlikely]] {
      if (const int refused = renew(); refused != 0) return refused;
    }
    if (const int refused = watch(one); refused != 0) return refused;
    parking::waiter me;
    me.object = &one;
    one.me = &me;
    line_of(one).push_back(me);
    ++in_flight_;
    const std::uint32_t process = os::fork_count();
    parking::park(me, *one.kind);
    one.me = nullptr;
    if (one.ends_in_child && process != os::fork_count()) return left_in_fork;
    if (one.on->closed()) return -ECANCELED;
  }
}

bool epoll_poller::call_off(operation& one) noexcept {
  if (!line_of(one).remove(*one.me)) return false;
  --in_flight_;
  return true;
}

void epoll_poller::forget(int number, std::uint64_t id) noexcept {
  const auto place = static_cast<std::size_t>(number);
  if (place >= entries_.size() || entries_[place] == nullptr || entries_[place]->id != id) return;
  if (is_waited_for(*entries_[place])) return;  // by another descriptor of this number, which was kept
  entries_[place]->id = 0;
  // Copies of it in other processes would go on telling. What is inherited knows the parent's, which stays.
  if (!queue_.is_inherited()) queue_.unwatch(number);
}

void epoll_poller::wake_all(parking::wait_list& line) noexcept {
  while (parking::waiter* one = line.pop_front()) {
    --in_flight_;
    home_.make_ready(*one->who);
  }
}

bool epoll_poller::collect(std::int64_t due_ns, bool now) noexcept {
  bool roused = false;
  if (queue_.is_inherited()) [[unlikely]] {
    if (renew() != 0 && !now) sleep_until_again(due_ns);
    return true;  // who waited tries first
  }
  const int count = queue_.wait(found_, due_ns, now, roused);
  for (int i = 0; i < count; ++i) {
    const os::happened& event = found_[static_cast<std::size_t>(i)];
    entry& here = *entries_[event.tag & UINT32_MAX];
    if (here.generation != event.tag >> generation_shift || here.id == 0) continue;
    here.is_odd = here.is_odd || event.odd;
    if (event.to_readers) {
      here.is_empty = false;
      wake_all(here.readers);
    }
    if (event.to_writers) wake_all(here.writers);
    wake_all(here.either);
  }
  return roused || count != 0;
}

void epoll_poller::look(bool sleeps_next) noexcept {
  if (in_flight_ == 0 || sleeps_next) return;
  collect(0, true);
}

int epoll_poller::host_descriptor() {
  if (queue_.is_inherited()) [[unlikely]] {
    if (const int refused = renew(); refused != 0)
      throw std::system_error(-refused, std::system_category(), "epoll, made anew after a fork");
  }
  return queue_.descriptor();
}

bool epoll_poller::sleep(std::int64_t due_ns) noexcept { return collect(due_ns, false); }

}  // namespace ramie::inline v0::poll
