#include "io/access.hpp"

#include <algorithm>

namespace ramie::inline v0::net {

datagram::datagram(const endpoint& where) {
  os::address at = access::address_of(where);
  const int made = os::make_datagram_socket(at);
  if (made < 0) fail(made, "datagram " + where.text());
  const bool is_unix = os::family_of(at) == os::address_family::unix_socket;
  access::take(*this, made, is_unix ? kind_of::unix_datagram : kind_of::udp);
  if (const int refused = os::bind_socket(made, at); refused < 0) {
    close();
    fail(refused, "bind " + where.text());
  }
}

void datagram::send_to(stream::const_buffer message, const endpoint& to) {
  os::address where = access::address_of(to);
  os::message one;
  one.add(message.data(), message.size());
  one.address_is(where);
  os::io_request asked;
  asked.kind = os::io_kind::send_message;
  asked.memory = &one.header;
  if (const int result = access::perform(*this, asked); result < 0) fail(result, "send_to " + to.text());
}

std::size_t datagram::receive_from(stream::buffer into, endpoint& from) {
  os::address where;
  where.size = sizeof where.bytes;
  os::message one;
  one.add(into.data(), into.size());
  one.address_is(where);
  os::io_request asked;
  asked.kind = os::io_kind::receive_message;
  asked.memory = &one.header;
  const int result = checked(access::perform(*this, asked), "receive_from");
  where.size = std::min<std::uint32_t>(one.header.msg_namelen, sizeof where.bytes);
  from = access::endpoint_of(where);
  return static_cast<std::size_t>(result);
}

void datagram::set_broadcast(bool on) {
  checked(os::set_option(access::number_of(*this, "set_broadcast"), os::socket_option::broadcast, on), "set_broadcast");
}

}  // namespace ramie::inline v0::net
