// Waiting for the first of several things.
//
// Status: experimental.
//
//     ramie::select(ramie::on(jobs, [&](job j) { ... }),            // a value was received
//                   ramie::on(t, [&](page p) { ... }),              // a task has ended (task.hpp)
//                   ramie::on(stopping, [&] { ... }),               // an event is set
//                   ramie::on_send(out, x, [&] { ... }),            // x was sent
//                   ramie::on_timeout(50ms, [&] { ... }));          // or otherwise(...): do not wait at all
//
// Exactly one happens: of the others nothing was received, sent or taken. Its body runs afterwards, in the caller, and
// may throw. Where several could happen the first one tried changes from call to call, so none is starved. Returns the
// number of the arm, from 0. Throws ramie::cancelled when told to go; then none has happened.
//
// A body that takes std::optional<T> is told when its channel is closed and empty, by an empty one. One that takes T is
// not: such an arm is passed over, and when no other arm is left select() throws std::logic_error. Sending on a closed
// channel throws channel_closed out of select().
//
// Any thread; arms are used where they are written, not kept.
#pragma once

#include <ramie/channel.hpp>
#include <ramie/event.hpp>
#include <ramie/park/arm.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {

namespace sync {

using parking::arm_state;

// Waits until one of the arms has happened and returns its number; its body has not run.
std::size_t select_one(parking::arm* const* arms, std::size_t count);

template <class T, class F>
class receive_arm final : public parking::arm {
  static constexpr bool hears_of_closing = std::is_invocable_v<F, std::optional<T>>;
  static_assert(hears_of_closing || std::is_invocable_v<F, T>, "the body takes the value, or an optional of it");

 public:
  receive_arm(channel<T>& from, F body) : from_(from), body_(std::move(body)) {
    me.object = &from.core_;
    me.place = &value_;
  }
  arm_state try_now() override {
    std::unique_lock held(from_.core_.lock);
    if (from_.receive_now(value_, held)) return arm_state::happened;
    if (!from_.core_.closed) return arm_state::not_yet;
    return hears_of_closing ? arm_state::happened : arm_state::never;
  }
  bool enlist() noexcept override {
    std::lock_guard held(from_.core_.lock);
    if (from_.core_.closed || from_.ring_.size() != 0 || has_others(from_.core_.senders, *me.choice)) return false;
    from_.core_.receivers.push_back(me);
    return true;
  }
  void withdraw() noexcept override {
    std::lock_guard held(from_.core_.lock);
    from_.core_.receivers.remove(me);
  }
  bool has_happened() noexcept override { return hears_of_closing || value_.has_value(); }
  void run() override {
    if constexpr (hears_of_closing) {
      std::invoke(body_, std::move(value_));
    } else {
      std::invoke(body_, *std::move(value_));
    }
  }

 private:
  channel<T>& from_;
  F body_;
  std::optional<T> value_;
};

template <class T, class F>
class send_arm final : public parking::arm {
 public:
  send_arm(channel<T>& to, T value, F body) : to_(to), body_(std::move(body)), value_(std::move(value)) {
    me.object = &to.core_;
    me.place = &value_;
  }
  arm_state try_now() override {
    std::unique_lock held(to_.core_.lock);
    if (to_.core_.closed) throw channel_closed();
    return to_.send_now(value_, held) ? arm_state::happened : arm_state::not_yet;
  }
  bool enlist() noexcept override {
    std::lock_guard held(to_.core_.lock);
    if (to_.core_.closed || to_.ring_.size() < to_.capacity_ || has_others(to_.core_.receivers, *me.choice)) {
      return false;
    }
    me.asked = 0;
    to_.core_.senders.push_back(me);
    return true;
  }
  void withdraw() noexcept override {
    std::lock_guard held(to_.core_.lock);
    to_.core_.senders.remove(me);
  }
  bool has_happened() noexcept override { return me.asked != channel<T>::refused; }
  void run() override { std::invoke(body_); }

 private:
  channel<T>& to_;
  F body_;
  T value_;
};

// A time limit as an arm.
template <class F>
class time_arm final : public parking::arm {
 public:
  time_arm(std::chrono::nanoseconds after, F body) : body_(std::move(body)) {
    limit_ns = after.count() < INT64_MAX ? after.count() : INT64_MAX - 1;
  }
  arm_state try_now() override { return arm_state::not_yet; }
  bool enlist() noexcept override { return true; }
  void withdraw() noexcept override {}
  bool has_happened() noexcept override { return true; }
  void run() override { std::invoke(body_); }

 private:
  F body_;
};

}  // namespace sync

template <class F>
class event_arm final : public parking::arm {
 public:
  event_arm(event& of, F body) : of_(of), body_(std::move(body)) {}
  parking::arm_state try_now() override {
    return of_.is_set() ? parking::arm_state::happened : parking::arm_state::not_yet;
  }
  bool enlist() noexcept override { return of_.enlist(me); }
  void withdraw() noexcept override { of_.withdraw(me); }
  bool has_happened() noexcept override { return true; }
  void run() override { std::invoke(body_); }

 private:
  event& of_;
  F body_;
};

// The arms. A channel, an event or a task must outlive the select().
template <class T, class F>
[[nodiscard]] sync::receive_arm<T, std::decay_t<F>> on(channel<T>& from, F&& body) {
  return {from, std::forward<F>(body)};
}
template <class F>
[[nodiscard]] event_arm<std::decay_t<F>> on(event& of, F&& body) {
  return {of, std::forward<F>(body)};
}
// The value is lost when another arm happens: send a copy of what is still needed.
template <class T, class F>
[[nodiscard]] sync::send_arm<T, std::decay_t<F>> on_send(channel<T>& to, std::type_identity_t<T> value, F&& body) {
  return {to, std::move(value), std::forward<F>(body)};
}
// When nothing else has happened after so long. Of several the shortest counts.
template <class F>
[[nodiscard]] sync::time_arm<std::decay_t<F>> on_timeout(std::chrono::nanoseconds after, F&& body) {
  return {after, std::forward<F>(body)};
}
// When nothing else can happen at once.
template <class F>
[[nodiscard]] sync::time_arm<std::decay_t<F>> otherwise(F&& body) {
  return {std::chrono::nanoseconds(0), std::forward<F>(body)};
}

template <std::derived_from<parking::arm>... Arm>
std::size_t select(Arm&&... arms) {
  static_assert(sizeof...(arms) != 0, "select: nothing to wait for");
  parking::arm* const all[] = {&arms...};
  const std::size_t which = sync::select_one(all, sizeof...(arms));
  all[which]->run();
  return which;
}

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
