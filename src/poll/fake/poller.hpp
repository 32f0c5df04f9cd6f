// A world in memory for tests: what happens to an operation, and when, is written down before.
//
// With the fake clock a run is the same each time, so each order of an answer, a cancellation and its answer can be
// tried. Numbers are only names: no descriptor is opened, used or closed.
#pragma once

#include "park/timer.hpp"
#include "poll/completion.hpp"

#include <atomic>
#include <deque>
#include <list>
#include <map>
#include <string>

namespace ramie::inline v0::poll {

class fake_poller final : public completion_poller {
 public:
  static constexpr std::int64_t never = -1;
  struct outcome {
    std::int64_t after_ns = 0;             // never: unless it is called off
    int result = 0;                        // or -errno; of a receive, how many of `bytes`
    std::string bytes;                     // what a receive finds
    std::int64_t called_off_after_ns = 0;  // how long after the request it is given back, if it has not ended by then
  };

  using completion_poller::completion_poller;
  ~fake_poller() override;

  // Of the next operation on this number that has none yet. Without one an operation never ends by itself.
  void script(int number, outcome what) { scripts_[number].push_back(std::move(what)); }

  void look(bool) noexcept override {}
  bool sleep(std::int64_t due_ns) noexcept override;
  void rouse() noexcept override;

 protected:
  void start(operation& one) noexcept override;
  void ask_back(operation& one) noexcept override;

 private:
  struct pending : parking::timer {
    fake_poller* world = nullptr;
    operation* of = nullptr;
    outcome what;
    bool given_back = false;
    std::list<pending>::iterator place;
  };
  static void over(parking::timer& due) noexcept;

  std::map<int, std::deque<outcome>> scripts_;
  std::list<pending> pending_;
  std::atomic<std::uint32_t> awake_ = 0;
};

}  // namespace ramie::inline v0::poll
