// io_uring: operations go to the kernel in batches, when the scheduler looks around or sleeps, and come back by shared
// memory. At a hundred busy connections there are far fewer system calls than operations.
//
// Operations that find no room, because the kernel will take no more until answers are taken, stand in line (`owing`)
// and are given later; a cancel of one goes the same way behind it.
// A fork leaves the ring's memory to the parent, and what was asked of it. The child makes a ring of its own when it is
// first used there: who waited for readiness or for a peer goes on waiting, transfers end with left_in_fork.
#pragma once

#include "os/ring.hpp"
#include "poll/completion.hpp"

#include <memory>

namespace ramie::inline v0::poll {

class uring_poller final : public completion_poller {
 public:
  uring_poller(parking::host& home, std::unique_ptr<os::ring> works) noexcept;
  ~uring_poller() override;

  void look(bool sleeps_next) noexcept override;
  bool sleep(std::int64_t due_ns) noexcept override;
  void rouse() noexcept override { ring_->rouse(); }
  [[nodiscard]] int host_descriptor() override;
  bool hand_over() noexcept override;

 protected:
  void start(operation& one) noexcept override;
  void ask_back(operation& one) noexcept override;
  int renew() noexcept override;

 private:
  bool push(operation& one) noexcept;
  bool push_cancel(operation& one) noexcept;
  void owe(operation& one) noexcept;
  void pay() noexcept;
  void forgive(operation& one) noexcept;
  // False: there was no answer.
  bool take_answers() noexcept;
  // All that is in flight comes back, what was not done is asked again of a ring that can be watched.
  void move_to_a_watched_ring();

  const std::unique_ptr<os::ring> ring_;
  operation* first_owing_ = nullptr;
  operation** last_owing_ = &first_owing_;
  bool is_moving_ = false;
  std::size_t came_back_ = 0;  // undone, while it moves
};

}  // namespace ramie::inline v0::poll
