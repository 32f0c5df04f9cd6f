// What the classes of net.hpp are inside: between their members and what os and poll take. Any thread.
#pragma once

#include "os/message.hpp"
#include "poll/operation.hpp"

#include <ramie/net.hpp>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace ramie::inline v0::net {

struct access {
  using kind_of = socket::kind_of;

  // By kind of socket: none, tcp, unix stream, bytes, udp, unix datagram.
  using words = std::array<parking::wait_kind, 6>;
  static const words reading, writing;

  [[nodiscard]] static os::address address_of(const endpoint& one) noexcept;
  [[nodiscard]] static endpoint endpoint_of(const os::address& one) noexcept;

  // Of one that others have made.
  [[nodiscard]] static kind_of kind_of_socket(int number) noexcept;
  // Takes the number over; closes it when there is no memory for that.
  static void take(socket& into, int number, kind_of kind, poll::descriptor_traits traits = {});
  [[nodiscard]] static bool is_byte_file(const socket& one) noexcept { return one.kind_ == kind_of::bytes; }

  [[nodiscard]] static bool may_block(const socket& one) noexcept {
    return one.descriptor_ != nullptr && one.descriptor_->may_block();
  }

  // What the operation says: its result or -errno. EBADF when it is not open. What it is called while it waits depends
  // on the kind of socket and on the operation.
  static int perform(socket& on, const os::io_request& asked);
  // The same, but -EAGAIN where it would wait.
  static int attempt(socket& on, const os::io_request& asked);
  // The same for receive and send, in line: after a system call the processor has forgotten where calls return to.
  [[gnu::always_inline]] static int move(socket& on, os::io_kind kind, void* memory, std::uint32_t bytes) {
    if (on.descriptor_ == nullptr) return -EBADF;
    poll::operation one;
    one.asked.kind = kind;
    one.asked.memory = memory;
    one.asked.count = bytes;
    one.on = on.descriptor_;
    one.kind = &(kind == os::io_kind::send ? writing : reading)[static_cast<std::size_t>(on.kind_)];
    return poll::perform(one);
  }
  // Not open when the number is gone.
  static void share(const socket& of, socket& with) noexcept {
    if (of.descriptor_ == nullptr || !of.descriptor_->use()) return;
    with.descriptor_ = of.descriptor_;
    with.kind_ = of.kind_;
  }
  static void unshare(socket& with) noexcept {
    if (poll::descriptor* const shared = std::exchange(with.descriptor_, nullptr)) shared->let_go();
  }
  static stream accepted(const socket& door, int number);
  // Of an open one; throws bad_file_descriptor.
  static int number_of(const socket& one, const char* call);
  // Throw also for other kinds: not_a_socket, operation_not_supported.
  static int number_of_tcp(const socket& one, const char* call);
  static int number_of_unix(const socket& one, const char* call);
};

// A socket's descriptor for a call of several operations: the socket may be destroyed between two of them.
template <class Kind>
class held {
 public:
  explicit held(const Kind& one) noexcept { access::share(one, here_); }
  ~held() { access::unshare(here_); }
  held(const held&) = delete;
  held& operator=(const held&) = delete;
  [[nodiscard]] Kind& operator*() noexcept { return here_; }

 private:
  Kind here_;
};

inline std::error_code code_of(int result) noexcept {
  if (result == poll::left_in_fork) return std::make_error_code(std::errc::operation_canceled);
  return {-result, std::system_category()};
}
// Clearing asks another library for a category.
[[gnu::always_inline]] inline void succeed(std::error_code& error) noexcept {
  if (error) error.clear();
}

[[gnu::always_inline]] inline std::size_t told(int result, std::error_code& error) noexcept {
  if (result < 0) [[unlikely]] {
    error = code_of(result);
    return 0;
  }
  succeed(error);
  return static_cast<std::size_t>(result);
}
[[nodiscard]] inline bool is_out_of_descriptors(int result) noexcept { return result == -EMFILE || result == -ENFILE; }
// Throws when it is an error: "accept on 127.0.0.1:80". Of a limit that is reached the text says which, and what to do.
[[noreturn]] void fail(int result, const std::string& doing);
// bind(2) and listen(2), which many refuse: the next step, where there is one.
[[noreturn]] void fail_to_bind(int result, const std::string& doing, const endpoint& where);
inline int checked(int result, const char* doing) {
  if (result < 0) fail(result, doing);
  return result;
}

}  // namespace ramie::inline v0::net
