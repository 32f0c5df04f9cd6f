// Readiness: an operation is tried first; one that would wait parks until something has happened to its descriptor, and
// is tried again.
//
// A descriptor is watched once, edge triggered, from the first wait on it: what happens to it later is told without
// another system call. Since every wait is preceded by a try that found nothing, no edge is ever missed; since an edge
// wakes all who wait for it, one that is cancelled takes nothing from the others. A TCP receive that did not fill its
// buffer stands for the try that finds nothing, as epoll(7) says: one system call less for each request.
// The table is by number, and numbers are used again: an entry knows the id of its descriptor, and an event carries the
// entry's generation, so one that is late, or belongs to a copy of the file elsewhere, is nobody's.
// In a forked child it is made anew before it is used, and who waits tries once more and then waits there.
#pragma once

#include "os/event_queue.hpp"
#include "poll/poller.hpp"

#include <vector>

namespace ramie::inline v0::poll {

class epoll_poller final : public poller {
 public:
  explicit epoll_poller(parking::host& home);

  void look(bool sleeps_next) noexcept override;
  bool sleep(std::int64_t due_ns) noexcept override;
  void rouse() noexcept override { queue_.rouse(); }
  [[nodiscard]] int host_descriptor() override;
  int run(operation& one) override;
  bool call_off(operation& one) noexcept override;
  void forget(int number, std::uint64_t id) noexcept override;

 private:
  struct entry {
    std::uint64_t id = 0;  // of its descriptor; 0: none
    std::uint32_t generation = 0;
    std::int16_t watched = 0;  // for which events
    bool is_empty = false;     // nothing to receive until an edge says otherwise
    bool is_odd = false;       // it has ended or the like: only a try can tell
    parking::wait_list readers, writers, either;
  };

  static bool is_waited_for(const entry& one) noexcept {
    return !one.readers.empty() || !one.writers.empty() || !one.either.empty();
  }
  int renew() noexcept;
  int watch(operation& one);
  entry* known(const descriptor& one) noexcept;
  [[nodiscard]] bool finds_nothing(const operation& one) noexcept;
  void see_emptied(const operation& one, int received) noexcept;
  parking::wait_list& line_of(const operation& one) noexcept;
  void wake_all(parking::wait_list& line) noexcept;
  // False: nothing but the time, when there was one.
  bool collect(std::int64_t due_ns, bool now) noexcept;

  os::event_queue queue_{os::trigger::edge};
  std::vector<entry*> entries_;
  std::vector<os::happened> found_;

 public:
  ~epoll_poller() override;
};

}  // namespace ramie::inline v0::poll
