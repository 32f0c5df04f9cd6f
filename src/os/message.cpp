#include "os/message.hpp"

#include <algorithm>
#include <cstring>

namespace ramie::os {

void message::make_room_for_descriptor() noexcept {
  std::fill(std::begin(control), std::end(control), static_cast<unsigned char>(0));
  header.msg_control = control;
  header.msg_controllen = CMSG_LEN(sizeof(int));
}

void message::attach(int descriptor) noexcept {
  make_room_for_descriptor();
  header.msg_controllen = sizeof control;
  cmsghdr* const one = CMSG_FIRSTHDR(&header);
  one->cmsg_level = SOL_SOCKET;
  one->cmsg_type = SCM_RIGHTS;
  one->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(one), &descriptor, sizeof descriptor);
}

int message::attached() const noexcept {
  const cmsghdr* const one = CMSG_FIRSTHDR(&header);
  if (one == nullptr || one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) return -1;
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(one), sizeof descriptor);
  return descriptor;
}

}  // namespace ramie::os
