// Fibers inside of an Asio program: `use_fiber` waits for any asynchronous operation as if it blocked.
//
// Status: experimental.
//
//     boost::asio::io_context context(1);
//     ramie::spawn_fiber(context, [&] {
//       tcp::socket peer = acceptor.async_accept(ramie::use_fiber);       // parks this fiber, not the thread
//       std::size_t got = peer.async_read_some(buffer(data), ramie::use_fiber);          // throws system_error
//       boost::system::error_code error;
//       async_write(peer, buffer(data, got), ramie::use_fiber[error]);                   // or says so here
//     });
//     context.run();
//
// Asio stays the scheduler: nothing here has a queue. A completion runs on its operation's executor and resumes the
// fiber there and then. One thread per io_context: a completion on another thread than the fiber's throws
// fiber_error(other_thread) out of run(), and the fiber stays parked until its thread ends.
//
// An operation that completes before it returns does not park at all. Cancellation slots and redirect_error pass
// through: bind_cancellation_slot(slot, use_fiber). A fiber whose completion is dropped, as when its io_context is
// destroyed on its thread, is unwound: destructors run. raise() on a fiber that waits here is delivered when the
// operation has completed, for that one has the caller's buffers; before kill(), cancel the operation. On a thread's
// own stack there is nobody to go back to: fiber_error(no_resumer), and the operation is not started.
//
// Header only. Written for Boost 1.81's Asio. Cost of a wait beside Asio's own: two switches, no allocation.
#pragma once

#include <ramie/fiber.hpp>

#include <cxxabi.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace ramie {
inline namespace v0 {

// The completion token. Bound to an error_code by use_fiber[error], it stores errors there and does not throw.
struct use_fiber_t {
  boost::system::error_code* error = nullptr;
  [[nodiscard]] constexpr use_fiber_t operator[](boost::system::error_code& place) const noexcept { return {&place}; }
};
inline constexpr use_fiber_t use_fiber{};

// What is below is the machinery that the token needs; not for direct use.
namespace asio {

// A fiber that belongs to whoever will resume it next: a handler of Asio. Forgotten once it has ended.
struct spawned {
  fiber itself;
  spawned* next = nullptr;
};
inline constinit thread_local spawned* ended = nullptr;  // their bodies are over, their handles are not

inline void forget_ended() noexcept {
  for (spawned** place = &ended; *place != nullptr;) {
    spawned* one = *place;
    if (one->itself.done()) {
      *place = one->next;
      delete one;
    } else {
      place = &one->next;
    }
  }
}

struct forget_when_back {
  forget_when_back() = default;
  forget_when_back(const forget_when_back&) = delete;
  forget_when_back& operator=(const forget_when_back&) = delete;
  ~forget_when_back() {
    if (ended != nullptr) forget_ended();
  }
};

struct tell_the_end {
  spawned* self;
  explicit tell_the_end(spawned* of) noexcept : self(of) {}
  tell_the_end(const tell_the_end&) = delete;
  tell_the_end& operator=(const tell_the_end&) = delete;
  ~tell_the_end() {
    self->next = ended;
    ended = self;
  }
};

// One operation that a fiber waits for, in the frame that waits. Its handler knows it, and it knows its handler,
// wherever Asio has moved that: whichever goes first tells the other.
class wait_base {
 public:
  class link {
   public:
    explicit link(wait_base* of) noexcept : wait_(of) { of->handler_ = this; }
    link(link&& other) noexcept : wait_(std::exchange(other.wait_, nullptr)) {
      if (wait_ != nullptr) wait_->handler_ = this;
    }
    link& operator=(link&&) = delete;
    // Dropped without having been called: the operation will never complete.
    ~link() {
      if (wait_ != nullptr) std::exchange(wait_, nullptr)->dropped();
    }
    // For the completion; null when nobody waits any more.
    [[nodiscard]] wait_base* take() noexcept {
      if (wait_ != nullptr) wait_->handler_ = nullptr;
      return std::exchange(wait_, nullptr);
    }

   private:
    friend class wait_base;
    wait_base* wait_;
  };

  wait_base() : fiber_(this_fiber::ref()), home_(context::this_thread_words()) { this_fiber::check_can_suspend(); }
  wait_base(const wait_base&) = delete;
  wait_base& operator=(const wait_base&) = delete;
  ~wait_base() {
    if (handler_ != nullptr) handler_->wait_ = nullptr;
  }

  // Parks until the operation has completed.
  void until_completed() {
    std::exception_ptr raised;
    while (outcome_ == outcome::awaited) {
      is_parked_ = true;
      try {
        this_fiber::suspend();
      } catch (abi::__forced_unwind&) {
        throw;
      } catch (...) {
        raised = std::current_exception();
      }
      is_parked_ = false;
    }
    if (raised != nullptr) std::rethrow_exception(std::move(raised));
    if (outcome_ == outcome::dropped) {
      throw boost::system::system_error(make_error_code(boost::system::errc::operation_canceled),
                                        "the operation was dropped before it was started");
    }
  }

  void check_thread() const {
    if (home_ != context::this_thread_words()) [[unlikely]] {
      throw fiber_error(fiber_errc::other_thread,
                        "an operation of a fiber completed on another thread; run its io_context by one thread");
    }
  }

  void completed() {
    outcome_ = outcome::completed;
    if (!is_parked_) return;
    const forget_when_back at_end;
    fiber_ref(fiber_).resume();
  }

 private:
  enum class outcome : unsigned char { awaited, completed, dropped };

  void dropped() noexcept {
    handler_ = nullptr;
    outcome_ = outcome::dropped;
    // A fiber that runs sees it itself. One of another thread is unwound when that thread ends.
    if (!is_parked_ || home_ != context::this_thread_words()) return;
    const forget_when_back at_end;
    fiber_ref(fiber_).kill();
  }

  fiber_ref fiber_;
  context::thread_words* home_;
  link* handler_ = nullptr;
  bool is_parked_ = false;
  outcome outcome_ = outcome::awaited;
};

// What an operation answers: a leading error is thrown, or stored; none is nothing, one is itself, more are a tuple.
template <class... Values>
struct answer {
  std::optional<std::tuple<Values...>> values;

  void throw_error(boost::system::error_code*) {}
  auto take() {
    if constexpr (sizeof...(Values) == 1) {
      return std::get<0>(std::move(*values));
    } else if constexpr (sizeof...(Values) > 1) {
      return std::move(*values);
    }
  }
  template <class... Given>
  void set(Given&&... given) {
    values.emplace(std::forward<Given>(given)...);
  }
};

template <class... Values>
struct answer<boost::system::error_code, Values...> : answer<Values...> {
  boost::system::error_code error;

  void throw_error(boost::system::error_code* place) {
    if (place != nullptr) {
      *place = error;
    } else if (error) {
      throw boost::system::system_error(error);
    }
  }
  template <class... Given>
  void set(boost::system::error_code code, Given&&... given) {
    error = code;
    answer<Values...>::set(std::forward<Given>(given)...);
  }
};

template <class... Values>
struct answer<std::exception_ptr, Values...> : answer<Values...> {
  std::exception_ptr error;

  void throw_error(boost::system::error_code*) {
    if (error != nullptr) std::rethrow_exception(std::move(error));
  }
  template <class... Given>
  void set(std::exception_ptr thrown, Given&&... given) {
    error = std::move(thrown);
    answer<Values...>::set(std::forward<Given>(given)...);
  }
};

template <class... Values>
struct wait : wait_base {
  answer<std::decay_t<Values>...> result;
};

template <class... Values>
class handler {
 public:
  explicit handler(wait<Values...>* of) noexcept : link_(of) {}

  template <class... Given>
  void operator()(Given&&... given) {
    auto* of = static_cast<wait<Values...>*>(link_.take());
    if (of == nullptr) return;
    of->check_thread();
    of->result.set(std::forward<Given>(given)...);
    of->completed();
  }

 private:
  wait_base::link link_;
};

template <class Executor, class Body>
void spawn_on(const Executor& executor, Body&& body, const fiber_options& options, const call_site& site) {
  auto made = std::make_unique<spawned>();
  made->itself = fiber(
      [self = made.get(), work = std::decay_t<Body>(std::forward<Body>(body))]() mutable {
        const tell_the_end at_end(self);
        work();
      },
      options, site);
  boost::asio::post(executor, [first = std::move(made)]() mutable {
    const forget_when_back at_end;
    first.release()->itself.resume();
  });
}

}  // namespace asio

// Runs `body` in a new fiber, first resumed on `executor` after this call. It belongs to the operation that it waits
// for: destroying the executor's context unwinds it. What escapes it is thrown from run(), as from any handler. Throws
// std::bad_alloc; a stack that is refused is thrown from run(), too.
template <class Executor, std::invocable Body>
requires(boost::asio::is_executor<Executor>::value ||
         boost::asio::execution::is_executor<Executor>::value) void spawn_fiber(const Executor& executor, Body&& body,
                                                                                const fiber_options& options = {},
                                                                                const call_site& site =
                                                                                    call_site::current()) {
  asio::spawn_on(executor, std::forward<Body>(body), options, site);
}
template <std::derived_from<boost::asio::execution_context> Context, std::invocable Body>
void spawn_fiber(Context& context, Body&& body, const fiber_options& options = {},
                 const call_site& site = call_site::current()) {
  asio::spawn_on(context.get_executor(), std::forward<Body>(body), options, site);
}

}  // namespace v0
}  // namespace ramie

template <class Return, class... Values>
class boost::asio::async_result<ramie::use_fiber_t, Return(Values...)> {
 public:
  using return_type = decltype(std::declval<ramie::asio::answer<std::decay_t<Values>...>&>().take());

  template <class Initiation, class... Arguments>
  static return_type initiate(Initiation&& initiation, ramie::use_fiber_t token, Arguments&&... arguments) {
    ramie::asio::wait<Values...> here;
    std::forward<Initiation>(initiation)(ramie::asio::handler<Values...>(&here), std::forward<Arguments>(arguments)...);
    here.until_completed();
    here.result.throw_error(token.error);
    return here.result.take();
  }
};
