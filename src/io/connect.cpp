// Listeners, and connecting to them.
#include "io/access.hpp"

#include <ramie/task.hpp>

#include <cerrno>
#include <string>
#include <utility>

namespace ramie::inline v0::net {
namespace {

using kind_of = access::kind_of;

// A Unix listener whose backlog is full says so and does not tell when it is not any more.
constexpr std::chrono::milliseconds full_backlog_pause(1);

// A number that is closed unless it is handed over.
class new_descriptor {
 public:
  explicit new_descriptor(int number) noexcept : number_(number) {}
  ~new_descriptor() {
    if (number_ >= 0) os::close_descriptor(number_);
  }
  new_descriptor(const new_descriptor&) = delete;
  new_descriptor& operator=(const new_descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return number_; }
  int hand_over() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

bool is_unix(const os::address& one) noexcept { return os::family_of(one) == os::address_family::unix_socket; }

int accept_on(listener& door) {
  os::io_request asked;
  asked.kind = os::io_kind::accept;
  for (bool seen = false;;) {
    const int result = access::perform(door, asked);
    if (result == -ECONNABORTED) continue;  // it has gone again
    if (!is_out_of_descriptors(result) || seen) return result;
    // The kernel says this before it looks whether anybody is there: it is an error only when somebody is.
    os::io_request knock;
    knock.events = os::readable;
    if (const int happened = access::perform(door, knock); happened < 0) return happened;
    seen = true;
  }
}

int connect_to(stream& peer, const os::address& to) {
  os::address where = to;
  os::io_request asked;
  asked.kind = os::io_kind::connect;
  asked.memory = where.bytes;
  asked.count = where.size;
  for (;;) {
    const int result = access::perform(peer, asked);
    if (result != -EAGAIN || !is_unix(where)) return result;
    this_task::sleep_for(full_backlog_pause);
  }
}

// 0 or -errno.
int open_to(const endpoint& to, stream& peer) {
  const os::address where = access::address_of(to);
  const int made = os::make_stream_socket(where);
  if (made < 0) return made;
  access::take(peer, made, is_unix(where) ? kind_of::unix_stream : kind_of::tcp);
  return connect_to(peer, where);
}

}  // namespace

listener::listener(const endpoint& where, listener_options options) {
  const os::address at = access::address_of(where);
  const std::string doing = "listen on " + where.text();
  const auto good = [&](int result) {
    if (result < 0) fail_to_bind(result, doing, where);
    return result;
  };
  new_descriptor made(good(os::make_stream_socket(at)));
  if (!is_unix(at)) {
    good(os::set_option(made.get(), os::socket_option::reuse_address, options.reuse_address));
    if (options.reuse_port) good(os::set_option(made.get(), os::socket_option::reuse_port, 1));
    if (where.family() == endpoint::family_kind::ipv6)
      good(os::set_option(made.get(), os::socket_option::ipv6_only, options.ipv6_only));
  }
  good(os::bind_socket(made.get(), at));
  good(os::listen_on(made.get(), options.backlog));
  access::take(*this, made.hand_over(), is_unix(at) ? kind_of::unix_stream : kind_of::tcp);
}

stream listener::accept() {
  held here(*this);
  const int result = accept_on(*here);
  if (is_out_of_descriptors(result)) fail(result, "accept: the connection stays in line");
  return access::accepted(*here, checked(result, "accept"));
}

stream listener::accept(std::error_code& error) {
  held here(*this);
  const int result = accept_on(*here);
  told(result, error);
  return error ? stream() : access::accepted(*here, result);
}

listener listener::adopt(int number, bool keep) {
  const std::string doing = "adopt of " + std::to_string(number);
  if (!os::is_descriptor(number)) fail(-EBADF, doing);
  if (!os::is_socket(number)) fail(-ENOTSOCK, doing);
  if (!os::is_listening(number)) fail(-EINVAL, doing + ": it does not listen");
  listener result;
  access::take(result, number, access::kind_of_socket(number),
               {.ours = !keep, .may_block = !os::is_non_blocking(number)});
  return result;
}

stream connect(const endpoint& to, std::error_code& error) {
  stream peer;
  told(open_to(to, peer), error);
  return error ? stream() : std::move(peer);
}

stream connect(const endpoint& to) {
  stream peer;
  if (const int result = open_to(to, peer); result < 0) fail(result, "connect to " + to.text());
  return peer;
}

}  // namespace ramie::inline v0::net
