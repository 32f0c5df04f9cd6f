// Operations that somebody else carries out and answers: what io_uring and the fake poller have in common.
//
// Once started an operation is the other side's, with the memory that it points to; so calling it off is a request, and
// perform() waits for the answer whatever happens. The answer decides: bytes that were moved win over a cancellation.
// The child of a fork has a copy of those who wait, and the other side belongs to the parent: whoever shares that with
// it renews itself before it is used there.
#pragma once

#include "os/forks.hpp"
#include "poll/poller.hpp"

#include <type_traits>

namespace ramie::inline v0::poll {

class completion_poller : public poller {
 public:
  using poller::poller;
  int run(operation& one) final;
  bool call_off(operation& one) noexcept final;

 protected:
  // It will be answered by ended(), not from in here.
  virtual void start(operation& one) noexcept = 0;
  // Asks for it back. It is answered all the same.
  virtual void ask_back(operation& one) noexcept = 0;
  // Its task goes on with this.
  void ended(operation& one, int result) noexcept;

  // To be called before the other side is touched. 0, or -errno: there is none in this child.
  int renew_if_inherited() noexcept {
    if (made_in_ == os::fork_count()) [[likely]]
      return 0;
    return renew();
  }
  [[nodiscard]] bool is_inherited() const noexcept { return made_in_ != os::fork_count(); }
  // Then each that was started comes to start() again or to ended(), by each_in_flight().
  virtual int renew() noexcept {
    made_in_ = os::fork_count();
    return 0;
  }
  template <class F>
  void each_in_flight(F&& act) noexcept;

  std::uint32_t made_in_ = os::fork_count();

 private:
  int once(operation& one);
};

// Found by who waits for them: a list would cost each operation a line of another's memory.
template <class F>
void completion_poller::each_in_flight(F&& act) noexcept {
  if (home_.each_chain == nullptr) return;
  struct search {
    completion_poller* here;
    F& act;
  } state{this, act};
  home_.each_chain(
      [](control::chain& chain, void* argument) {
        static_assert(std::is_standard_layout_v<parking::parked>);  // so its first member has its address
        auto& task = reinterpret_cast<parking::parked&>(chain);
        auto& all = *static_cast<search*>(argument);
        if (task.waits_on == nullptr || task.waits_on->kind->withdraw != &withdraw) return;
        auto& one = *static_cast<operation*>(task.waits_on->object);
        if (one.at == all.here && one.me != nullptr) all.act(one);
      },
      &state);
}

}  // namespace ramie::inline v0::poll
