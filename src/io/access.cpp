#include "io/access.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ramie::inline v0::net {
namespace {

using parking::wait_kind;
constexpr wait_kind accepting = {"accept", &poll::withdraw};
constexpr wait_kind connecting = {"connect", &poll::withdraw};
constexpr wait_kind waiting = {"readiness", &poll::withdraw};

const wait_kind& word_for(os::io_kind what, std::size_t kind) noexcept {
  switch (what) {
    case os::io_kind::read:
    case os::io_kind::receive:
    case os::io_kind::receive_message:
      return access::reading[kind];
    case os::io_kind::write:
    case os::io_kind::send:
    case os::io_kind::send_message:
      return access::writing[kind];
    case os::io_kind::accept:
      return accepting;
    case os::io_kind::connect:
      return connecting;
    case os::io_kind::readiness:
      return waiting;
  }
  return waiting;
}

}  // namespace

constinit const access::words access::reading = {{{"read", &poll::withdraw},
                                                  {"tcp receive", &poll::withdraw},
                                                  {"unix receive", &poll::withdraw},
                                                  {"pipe read", &poll::withdraw},
                                                  {"udp receive", &poll::withdraw},
                                                  {"unix datagram receive", &poll::withdraw}}};
constinit const access::words access::writing = {{{"write", &poll::withdraw},
                                                  {"tcp send", &poll::withdraw},
                                                  {"unix send", &poll::withdraw},
                                                  {"pipe write", &poll::withdraw},
                                                  {"udp send", &poll::withdraw},
                                                  {"unix datagram send", &poll::withdraw}}};

void fail(int result, const std::string& doing) {
  std::string text = doing;
  if (is_out_of_descriptors(result)) text += ": " + os::text_of_descriptor_limit(-result);
  if (result == -ECANCELED) text += ": closed while it waited";
  if (result == poll::left_in_fork) text += ": this process was forked, and the transfer stayed with its parent";
  if (result == -EBADF) text += ": not open";
  throw std::system_error(code_of(result), text);
}

void fail_to_bind(int result, const std::string& doing, const endpoint& where) {
  const std::string text = where.text();
  const bool is_path = text.starts_with("unix:") && !text.starts_with("unix:@");
  if (result == -EADDRINUSE && is_path)
    fail(result, doing + ": the path exists. Remove it first if nobody listens there any more");
  if (result == -EADDRINUSE) fail(result, doing + ": somebody has it already (ss -anp says who)");
  if (result == -EACCES && where.port() != 0)
    fail(result, doing + ": low ports are root's (net.ipv4.ip_unprivileged_port_start, CAP_NET_BIND_SERVICE)");
  if (result == -EADDRNOTAVAIL) fail(result, doing + ": no interface of this machine has that address");
  fail(result, doing);
}

os::address access::address_of(const endpoint& one) noexcept {
  static_assert(endpoint::most_bytes == os::address::most_bytes);
  os::address result;
  std::memcpy(result.bytes, one.bytes_, sizeof result.bytes);
  result.size = one.size_;
  return result;
}

endpoint access::endpoint_of(const os::address& one) noexcept {
  endpoint result;
  std::memcpy(result.bytes_, one.bytes, sizeof result.bytes_);
  result.size_ = one.size;
  return result;
}

socket::kind_of access::kind_of_socket(int number) noexcept {
  switch (os::transport_of(number)) {
    case os::transport::tcp:
      return kind_of::tcp;
    case os::transport::udp:
      return kind_of::udp;
    case os::transport::unix_stream:
      return kind_of::unix_stream;
    case os::transport::unix_datagram:
      return kind_of::unix_datagram;
    case os::transport::other:
      return kind_of::none;
  }
  return kind_of::none;
}

void access::take(socket& into, int number, kind_of kind, poll::descriptor_traits traits) {
  traits.is_tcp = kind == kind_of::tcp;
  poll::descriptor* held = nullptr;
  try {
    held = poll::descriptor::take(number, traits);
  } catch (...) {
    if (traits.ours) os::close_descriptor(number);
    throw;
  }
  into.drop();
  into.descriptor_ = held;
  into.kind_ = kind;
}

int access::perform(socket& on, const os::io_request& asked) {
  if (on.descriptor_ == nullptr) return -EBADF;
  poll::operation one;
  one.asked = asked;
  one.on = on.descriptor_;
  one.kind = &word_for(asked.kind, static_cast<std::size_t>(on.kind_));
  return poll::perform(one);
}

int access::attempt(socket& on, const os::io_request& asked) {
  if (on.descriptor_ == nullptr) return -EBADF;
  poll::operation one;
  one.asked = asked;
  one.on = on.descriptor_;
  one.is_only_tried = true;
  return poll::perform(one);
}

stream access::accepted(const socket& door, int number) {
  stream peer;
  take(peer, number, door.kind_);
  return peer;
}

int access::number_of(const socket& one, const char* call) {
  if (!one.is_open()) fail(-EBADF, call);
  return one.descriptor_->number();
}

int access::number_of_tcp(const socket& one, const char* call) {
  const int number = number_of(one, call);
  if (one.kind_ == kind_of::bytes) fail(-ENOTSOCK, call);
  if (one.kind_ != kind_of::tcp) fail(-EOPNOTSUPP, std::string(call) + ": this is of TCP, and the socket is not");
  return number;
}

int access::number_of_unix(const socket& one, const char* call) {
  const int number = number_of(one, call);
  if (one.kind_ == kind_of::bytes) fail(-ENOTSOCK, call);
  if (one.kind_ != kind_of::unix_stream) {
    fail(-EOPNOTSUPP, std::string(call) + ": this is of Unix streams, and the socket is none");
  }
  return number;
}

socket& socket::operator=(socket&& other) noexcept {
  if (this != &other) {
    drop();
    descriptor_ = std::exchange(other.descriptor_, nullptr);
    kind_ = std::exchange(other.kind_, kind_of::none);
  }
  return *this;
}

bool socket::is_open() const noexcept { return descriptor_ != nullptr && !descriptor_->closed(); }

void socket::close() noexcept {
  if (descriptor_ != nullptr) descriptor_->close();
}

void socket::drop() noexcept {
  poll::descriptor* const owned = std::exchange(descriptor_, nullptr);
  if (owned == nullptr) return;
  owned->close();
  owned->disown();
}

int socket::number() const noexcept { return is_open() ? descriptor_->number() : -1; }

endpoint socket::local() const {
  os::address told;
  checked(os::local_address(access::number_of(*this, "local"), told), "getsockname");
  return access::endpoint_of(told);
}

}  // namespace ramie::inline v0::net
