#include "io/access.hpp"

#include <ramie/task.hpp>

#include <algorithm>
#include <cerrno>

namespace ramie::inline v0::net {

datagram::datagram(const endpoint& where, datagram_options options) {
  const os::address at = access::address_of(where);
  const int made = os::make_datagram_socket(at);
  if (made < 0) fail(made, "datagram " + where.text());
  const bool is_unix = os::family_of(at) == os::address_family::unix_socket;
  access::take(*this, made, is_unix ? kind_of::unix_datagram : kind_of::udp);
  int refused = 0;
  if (options.reuse_port && !is_unix) refused = os::set_option(made, os::socket_option::reuse_port, 1);
  if (where.family() == endpoint::family_kind::ipv6 && refused == 0)
    refused = os::set_option(made, os::socket_option::ipv6_only, options.ipv6_only);
  if (refused == 0) refused = os::bind_socket(made, at);
  if (refused < 0) fail_to_bind(refused, "bind " + where.text(), where);
}

namespace {

// Bytes of the whole message, or -errno.
int receive(socket& on, stream::buffer into, endpoint& from) {
  os::address where;
  where.size = sizeof where.bytes;
  os::message one;
  one.add(into.data(), into.size());
  one.address_is(where);
  os::io_request asked;
  asked.kind = os::io_kind::receive_message;
  asked.memory = &one.header;
  asked.flags = os::message::whole_length;
  const int result = access::perform(on, asked);
  where.size = std::min<std::uint32_t>(one.header.msg_namelen, sizeof where.bytes);
  if (result >= 0) from = access::endpoint_of(where);
  return result;
}

// A full queue is the receiver's, and the kernel says nothing of it: the sender's own socket is writable all the time,
// and it is told of room only where that was made of its own messages. So it is asked again and again.
int send_when_there_is_room(socket& on, const os::io_request& asked) {
  constexpr std::chrono::microseconds first_pause(1), longest_pause(1000);  // the first: it may be read on this thread
  int result = access::attempt(on, asked);
  if (result != -EAGAIN) return result;
  for (auto pause = first_pause; result == -EAGAIN; pause = std::min(2 * pause, longest_pause)) {
    this_task::sleep_for(pause);
    result = access::attempt(on, asked);
  }
  return result == -EBADF ? -ECANCELED : result;
}

int send(datagram& on, stream::const_buffer message, const endpoint& to, bool is_unix) {
  os::address where = access::address_of(to);
  os::message one;
  one.add(message.data(), message.size());
  one.address_is(where);
  os::io_request asked;
  asked.kind = os::io_kind::send_message;
  asked.memory = &one.header;
  if (!is_unix) return access::perform(on, asked);
  held here(on);
  return send_when_there_is_room(*here, asked);
}

}  // namespace

void datagram::send_to(stream::const_buffer message, const endpoint& to) {
  const int result = send(*this, message, to, kind_ == kind_of::unix_datagram);
  if (result == -EACCES && kind_ == kind_of::udp) fail(result, "send_to " + to.text() + ": set_broadcast() first");
  if (result < 0) fail(result, "send_to " + to.text());
}
void datagram::send_to(stream::const_buffer message, const endpoint& to, std::error_code& error) {
  told(send(*this, message, to, kind_ == kind_of::unix_datagram), error);
}

std::size_t datagram::receive_from(stream::buffer into, endpoint& from) {
  std::size_t message_bytes = 0;
  return receive_from(into, from, message_bytes);
}
std::size_t datagram::receive_from(stream::buffer into, endpoint& from, std::size_t& message_bytes) {
  message_bytes = static_cast<std::size_t>(checked(receive(*this, into, from), "receive_from"));
  return std::min(message_bytes, into.size());
}
std::size_t datagram::receive_from(stream::buffer into, endpoint& from, std::error_code& error) {
  return std::min(told(receive(*this, into, from), error), into.size());
}

}  // namespace ramie::inline v0::net
