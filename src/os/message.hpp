// What sendmsg(2) and recvmsg(2) take: pieces of memory, an address, a descriptor that travels along. Points into
// itself, so it stays where it is while an operation has it.
#pragma once

#include "os/socket.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>

namespace ramie::os {

struct message {
  static constexpr std::size_t pieces_most = 16;

  message() noexcept { header.msg_iov = pieces; }
  message(const message&) = delete;
  message& operator=(const message&) = delete;

  // False: no more.
  bool add(const void* memory, std::size_t bytes) noexcept {
    if (header.msg_iovlen == pieces_most) return false;
    pieces[header.msg_iovlen++] = {const_cast<void*>(memory), bytes};
    return true;
  }
  void address_is(address& one) noexcept {
    header.msg_name = one.bytes;
    header.msg_namelen = one.size;
  }
  void attach(int descriptor) noexcept;
  // For one: the padding behind it would be room for another, which nobody would close.
  void make_room_for_descriptor() noexcept;
  // After it was received; -1: none came.
  [[nodiscard]] int attached() const noexcept;
  // After it was received: one or more came that found no place, in here or in the process.
  [[nodiscard]] bool lost_descriptors() const noexcept { return (header.msg_flags & MSG_CTRUNC) != 0; }

  // A flag: what is received of a datagram counts its whole length, also what did not fit.
  static constexpr int whole_length = MSG_TRUNC;

  msghdr header{};
  iovec pieces[pieces_most];  // the first header.msg_iovlen
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int))];
};

}  // namespace ramie::os
