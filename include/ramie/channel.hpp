// Values from those who send to those who receive, in order.
//
// Status: experimental.
//
//     ramie::channel<job> jobs(64);                         // 0: a rendezvous; ramie::unbounded: no limit
//     s.spawn([&] { for (...) jobs.send(make()); jobs.close(); });
//     for (job& j : jobs) work(j);                          // until it is closed and empty
//
// Any number of senders and receivers, on any threads; who comes first is served first. Closing wakes all: receivers
// get what is left, then nothing; senders that wait get channel_closed, and what they wanted to send is not sent.
// Destroying a channel destroys what is left in it; while somebody waits on it that is a failed check.
#pragma once

#include <ramie/park/wait.hpp>

#include <cstddef>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

// Sending on a channel that was closed. The value was not sent.
class channel_closed : public std::logic_error {
 public:
  channel_closed() : std::logic_error("send: the channel is closed") {}
};

inline constexpr std::size_t unbounded = static_cast<std::size_t>(-1);

inline namespace v0 {
namespace sync {

// What a channel is, whatever it carries.
struct channel_core {
  // A receiver waits only while nothing is there, a sender only while there is no room: never both.
  mutable parking::short_lock lock;
  bool closed = false;
  parking::wait_list receivers, senders;

  channel_core() noexcept = default;
  channel_core(const channel_core&) = delete;
  channel_core& operator=(const channel_core&) = delete;
  ~channel_core();
};
extern const parking::wait_kind receive_wait, send_wait;

template <class T, class F>
class receive_arm;
template <class T, class F>
class send_arm;
// Somebody other than this selection may wait there. Under the lock.
[[nodiscard]] bool has_others(const parking::wait_list& list, const parking::selection& than) noexcept;

// A ring of values that are not there until they are.
template <class T>
class value_ring {
 public:
  value_ring() noexcept = default;
  value_ring(const value_ring&) = delete;
  value_ring& operator=(const value_ring&) = delete;
  ~value_ring() {
    while (size_ != 0) std::destroy_at(&at(--size_));
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool is_full() const noexcept { return size_ == places_; }
  [[nodiscard]] std::size_t places() const noexcept { return places_; }
  void push(T&& value) {  // not full
    ::new (&at(size_)) T(std::move(value));
    ++size_;
  }
  [[nodiscard]] T& front() noexcept { return at(0); }
  void drop_front() noexcept {
    std::destroy_at(&at(0));
    first_ = (first_ + 1) & (places_ - 1);
    --size_;
  }
  void grow() {
    value_ring larger;
    larger.places_ = places_ == 0 ? 8 : 2 * places_;
    larger.memory_.reset(static_cast<T*>(::operator new(larger.places_ * sizeof(T), std::align_val_t(alignof(T)))));
    while (size_ != 0) {
      larger.push(std::move(front()));
      drop_front();
    }
    std::swap(memory_, larger.memory_);
    std::swap(places_, larger.places_);
    std::swap(size_, larger.size_);
    first_ = 0;
  }

 private:
  T& at(std::size_t place) noexcept { return memory_.get()[(first_ + place) & (places_ - 1)]; }
  struct release {
    void operator()(T* memory) const noexcept { ::operator delete(memory, std::align_val_t(alignof(T))); }
  };
  std::unique_ptr<T, release> memory_;
  std::size_t places_ = 0, first_ = 0, size_ = 0;
};

}  // namespace sync

template <class T>
class channel {
  static_assert(std::is_nothrow_move_constructible_v<T>, "a value that throws when moved could be lost on its way");

 public:
  explicit channel(std::size_t capacity = 0) noexcept : capacity_(capacity) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  // Waits for room, or with capacity 0 for a receiver. Throws channel_closed, cancelled, std::bad_alloc; then the value
  // was not sent.
  void send(T value) {
    std::unique_lock held(core_.lock);
    if (core_.closed) throw channel_closed();
    if (send_now(value, held)) return parking::charge(1);
    parking::waiter me;
    me.object = &core_;
    me.place = &value;
    core_.senders.push_back(me);
    held.unlock();
    parking::park(me, sync::send_wait);
    if (me.asked == refused) throw channel_closed();
  }
  // False when there is no room now, or no receiver. Throws channel_closed.
  [[nodiscard]] bool try_send(T& value) {
    parking::charge(1);
    std::unique_lock held(core_.lock);
    if (core_.closed) throw channel_closed();
    return send_now(value, held);
  }
  // Waits for a value; empty when the channel is closed and nothing is left. Throws cancelled.
  std::optional<T> receive() {
    std::optional<T> value;
    std::unique_lock held(core_.lock);
    if (receive_now(value, held)) {
      parking::charge(1);
      return value;
    }
    if (core_.closed) {
      held.unlock();
      parking::charge(1);
      return value;
    }
    parking::waiter me;
    me.object = &core_;
    me.place = &value;
    core_.receivers.push_back(me);
    held.unlock();
    parking::park(me, sync::receive_wait);
    return value;
  }
  // What is there now; empty when nothing is.
  [[nodiscard]] std::optional<T> try_receive() {
    parking::charge(1);
    std::optional<T> value;
    std::unique_lock held(core_.lock);
    receive_now(value, held);
    return value;
  }
  // No more sends. What was sent is received. Twice: nothing.
  void close() noexcept {
    parking::wake_list over;
    {
      std::lock_guard held(core_.lock);
      if (std::exchange(core_.closed, true)) return;
      over.take_all(core_.receivers);
      over.take_all(core_.senders, refused);
    }
    over.wake_all();
  }

  [[nodiscard]] bool is_closed() const noexcept {
    std::lock_guard held(core_.lock);
    return core_.closed;
  }
  // What was sent and not received yet.
  [[nodiscard]] std::size_t size() const noexcept {
    std::lock_guard held(core_.lock);
    return ring_.size();
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  // A range of what is received.
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    explicit iterator(channel* from) : from_(from) { ++*this; }
    T& operator*() const noexcept { return *value_; }
    iterator& operator++() {
      value_ = from_->receive();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& one, std::default_sentinel_t) noexcept { return !one.value_; }

   private:
    channel* from_;
    mutable std::optional<T> value_;
  };
  iterator begin() { return iterator(this); }
  std::default_sentinel_t end() noexcept { return {}; }

 private:
  template <class U, class F>
  friend class sync::receive_arm;
  template <class U, class F>
  friend class sync::send_arm;

  static constexpr std::uint64_t refused = 1;  // a sender's answer: the channel was closed
  // The value is moved from, or the value is filled, and the lock is given back, when these return true.
  bool send_now(T& value, std::unique_lock<parking::short_lock>& held) {
    if (parking::waiter* receiver = core_.receivers.take_front()) {
      static_cast<std::optional<T>*>(receiver->place)->emplace(std::move(value));
      held.unlock();
      parking::wake(*receiver);
      return true;
    }
    if (ring_.size() >= capacity_) return false;
    if (ring_.is_full()) ring_.grow();
    ring_.push(std::move(value));
    held.unlock();
    return true;
  }
  // The place that becomes free goes to the sender that has waited longest.
  bool receive_now(std::optional<T>& value, std::unique_lock<parking::short_lock>& held) noexcept {
    parking::waiter* sender = nullptr;
    if (ring_.size() != 0) {
      value.emplace(std::move(ring_.front()));
      ring_.drop_front();
      sender = core_.senders.take_front();
      if (sender != nullptr) ring_.push(std::move(*static_cast<T*>(sender->place)));
    } else {
      sender = core_.senders.take_front();
      if (sender == nullptr) return false;
      value.emplace(std::move(*static_cast<T*>(sender->place)));
    }
    held.unlock();
    if (sender != nullptr) parking::wake(*sender);
    return true;
  }

  sync::channel_core core_;
  std::size_t capacity_;
  sync::value_ring<T> ring_;
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
