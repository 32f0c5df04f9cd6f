#include "base/check.hpp"
#include "os/clock.hpp"
#include "os/event_queue.hpp"
#include "park/park.hpp"
#include "poll/operation.hpp"

#include <ramie/selector.hpp>
#include <ramie/task.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ramie::inline v0 {
namespace {

using interest = selector::interest;
using monitor = selector::monitor;

constexpr parking::wait_kind selecting = {"select on descriptors", &poll::withdraw};
constexpr std::size_t events_at_once = 64;
constexpr unsigned generation_shift = 32;

std::int16_t events_of(interest wanted) noexcept {
  const bool reads = (wanted & interest::read) != interest::none, writes = (wanted & interest::write) != interest::none;
  return static_cast<std::int16_t>((reads ? os::readable : 0) | (writes ? os::writable : 0));
}

[[noreturn]] void fail(int result, const std::string& doing) {
  throw std::system_error(-result, std::system_category(), doing);
}

class counted {
 public:
  explicit counted(int& count) noexcept : count_(count) { ++count_; }
  ~counted() { --count_; }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;

 private:
  int& count_;
};

}  // namespace

struct selector::state {
  struct entry {
    monitor* first = nullptr;
    interest watched = interest::none;
    std::uint32_t generation = 0;
    std::uint64_t seen_in = 0;  // the collect() that found it last
    bool is_file = false;       // on disk: epoll does not take it, it is always ready
  };

  os::event_queue queue{os::trigger::level};
  poll::descriptor* const waits = poll::descriptor::take(queue.descriptor(), {.ours = false});
  std::unordered_map<int, entry> entries;
  std::vector<monitor*> ready;  // null: closed meanwhile
  std::size_t told = 0;         // of those
  std::size_t monitors = 0;
  std::uint32_t generations = 0;
  std::uint64_t collects = 0;
  bool closed = false;
  int waiting = 0;  // tasks in select()

  ~state() {
    RAMIE_CHECK(waiting == 0);  // destroyed under a select()
    waits->close();
    waits->disown();
  }

  static interest wanted_by_all(const entry& of) noexcept {
    interest all = interest::none;
    for (const monitor* one = of.first; one != nullptr; one = one->next_) all = all | one->wanted_;
    return all;
  }

  // Before the queue is used: in a forked child what it has is the parent's, and all is asked anew. 0 or -errno.
  int renew_if_inherited() noexcept {
    if (!queue.is_inherited()) return 0;
    if (const int refused = queue.renew(); refused != 0) return refused;
    for (auto& [number, each] : entries) {
      each.watched = interest::none;
      static_cast<void>(tell(number, each));  // one that was closed is never told of
    }
    return 0;
  }

  // The kernel is told what all of them want. 0 or -errno.
  int tell(int descriptor, entry& of) noexcept {
    const interest wanted = wanted_by_all(of);
    if (wanted == of.watched || of.is_file) return 0;
    if (queue.is_inherited()) return 0;  // a monitor closes: nothing is known here yet
    if (wanted == interest::none) {
      queue.unwatch(descriptor);
    } else {
      const auto tag = std::uint64_t{of.generation} << generation_shift | static_cast<std::uint32_t>(descriptor);
      const int refused = queue.watch(descriptor, events_of(wanted), tag);
      of.is_file = refused == -EPERM;
      if (refused != 0 && !of.is_file) return refused;
    }
    of.watched = wanted;
    return 0;
  }

  void find_ready(entry& of, bool to_readers, bool to_writers) {
    const interest happened =
        (to_readers ? interest::read : interest::none) | (to_writers ? interest::write : interest::none);
    for (monitor* one = of.first; one != nullptr; one = one->next_) {
      const interest found = happened & one->wanted_;
      if (found == interest::none) continue;
      one->ready_ = found;
      ready.push_back(one);
    }
  }

  // False: this collect() has seen them all.
  bool find_new_ones(std::span<const os::happened> found) {
    bool any = false;
    for (const os::happened& event : found) {
      const auto place = entries.find(static_cast<int>(event.tag & UINT32_MAX));
      if (place == entries.end() || place->second.generation != event.tag >> generation_shift) continue;
      if (std::exchange(place->second.seen_in, collects) == collects) continue;
      find_ready(place->second, event.to_readers, event.to_writers);
      any = true;
    }
    return any;
  }

  // False: nothing, until this time.
  bool collect(std::int64_t due_ns) {
    if (const int refused = renew_if_inherited(); refused != 0) fail(refused, "select: after a fork");
    std::array<os::happened, events_at_once> found;
    bool roused = false;
    for (auto& [number, each] : entries) {
      if (each.is_file) find_ready(each, true, true);
    }
    ++collects;
    int count = queue.wait(found, due_ns, due_ns == 0 || !ready.empty(), roused);
    // A full one may not be all: those that it told stand behind the others then. One place may be wakeup()'s.
    while (find_new_ones(std::span(found).first(static_cast<std::size_t>(std::max(count, 0)))) &&
           static_cast<std::size_t>(count) + 1 >= found.size()) {
      bool roused_again = false;
      count = queue.wait(found, 0, true, roused_again);
      roused = roused || roused_again;
    }
    return roused || !ready.empty();
  }

  // A task waits here until there is something to collect.
  void park() {
    poll::operation one;
    one.asked.kind = os::io_kind::readiness;
    one.asked.events = os::readable;
    one.on = waits;
    one.kind = &selecting;
    one.ends_in_child = true;
    const counted here(waiting);
    const int result = poll::perform(one);
    if (result < 0 && result != -ECANCELED && result != poll::left_in_fork) fail(result, "select");
  }
};

selector::selector() : state_(std::make_unique<state>()) {}
selector::~selector() { close(); }

void selector::wait(limit most) {
  state& here = *state_;
  if (here.closed) fail(-EBADF, "select: the selector is closed");
  if (most && *most < std::chrono::nanoseconds(0)) throw std::invalid_argument("select: the limit is negative");
  here.ready.clear();
  here.told = 0;
  const std::int64_t now = os::monotonic_now_ns();
  const std::int64_t due_ns = !most || most->count() > INT64_MAX - 1 - now ? INT64_MAX : now + most->count();
  const bool is_task = parking::this_host() != nullptr && parking::this_host()->running != nullptr;
  while (!here.collect(is_task ? 0 : due_ns)) {
    const std::int64_t left_ns = due_ns == INT64_MAX ? INT64_MAX : due_ns - os::monotonic_now_ns();
    if (left_ns <= 0) return;
    if (!is_task) continue;  // a signal
    if (!most) {
      here.park();
    } else if (!try_for(std::chrono::nanoseconds(left_ns), [&] { here.park(); })) {
      here.collect(0);
      break;
    }
  }
  if (here.closed) fail(-ECANCELED, "select: the selector was closed while it waited");
}

monitor* selector::next_ready() noexcept {
  state& here = *state_;
  while (here.told < here.ready.size()) {
    if (monitor* one = here.ready[here.told++]) return one;
  }
  return nullptr;
}

void selector::wakeup() noexcept { state_->queue.rouse(); }
std::size_t selector::size() const noexcept { return state_->monitors; }
bool selector::has(int descriptor) const noexcept { return state_->entries.count(descriptor) != 0; }
bool selector::closed() const noexcept { return state_->closed; }

void selector::close() noexcept {
  state& here = *state_;
  if (!std::exchange(here.closed, true)) here.queue.rouse();
  while (!here.entries.empty()) here.entries.begin()->second.first->close();
}

selector::monitor::monitor(selector& where, int descriptor, interest wanted, void* given)
    : value(given), descriptor_(descriptor), wanted_(wanted) {
  state& here = *where.state_;
  if (where.closed()) fail(-EBADF, "monitor: the selector is closed");
  here.ready.reserve(here.monitors + 1);
  if (const int refused = here.renew_if_inherited(); refused != 0) fail(refused, "monitor: after a fork");
  const auto [place, is_new] = here.entries.try_emplace(descriptor);
  state::entry& entry = place->second;
  if (is_new) entry.generation = ++here.generations;
  next_ = entry.first;
  entry.first = this;
  // Tried also for what nobody is interested in yet, so that a number that is none is refused here.
  int refused = here.tell(descriptor, entry);
  if (refused == 0 && is_new && wanted == interest::none) {
    refused = here.queue.watch(descriptor, 0, 0);
    here.queue.unwatch(descriptor);
    if (refused == -EPERM) {
      refused = 0;
      entry.is_file = true;
    }
  }
  if (refused != 0) {
    entry.first = next_;
    if (is_new) here.entries.erase(place);
    fail(refused, "monitor of descriptor " + std::to_string(descriptor));
  }
  where_ = &where;
  ++here.monitors;
}

void selector::monitor::set_interests(interest wanted) {
  if (where_ == nullptr) fail(-EBADF, "set_interests: the monitor is closed");
  state& here = *where_->state_;
  if (const int refused = here.renew_if_inherited(); refused != 0) fail(refused, "set_interests: after a fork");
  const interest before = std::exchange(wanted_, wanted);
  const int refused = here.tell(descriptor_, here.entries.at(descriptor_));
  if (refused == 0) return;
  wanted_ = before;
  fail(refused, "interests in descriptor " + std::to_string(descriptor_));
}

void selector::monitor::close() noexcept {
  if (where_ == nullptr) return;
  state& here = *std::exchange(where_, nullptr)->state_;
  const auto place = here.entries.find(descriptor_);
  RAMIE_CHECK(place != here.entries.end());
  monitor** link = &place->second.first;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
  --here.monitors;
  std::replace(here.ready.begin(), here.ready.end(), this, static_cast<monitor*>(nullptr));
  here.tell(descriptor_, place->second);
  if (place->second.first == nullptr) here.entries.erase(place);
}

}  // namespace ramie::inline v0
