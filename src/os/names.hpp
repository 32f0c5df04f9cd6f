// Looking up names of hosts and services, as the C library does it: files, name servers, whatever nsswitch.conf says.
//
// Blocks, for seconds where a name server does not answer, and cannot be interrupted. Any thread.
#pragma once

#include "os/socket.hpp"

#include <string>
#include <vector>

namespace ramie::os {

// The answer of getaddrinfo(): 0, or its EAI_ number.
struct looked_up {
  int failure = 0;
  int error = 0;  // errno, where `failure` says that the system has failed
  std::vector<address> addresses;
};
// For stream sockets; as RFC 6724 orders them, each once.
looked_up look_up(const std::string& host, const std::string& service);
const char* text_of_lookup_failure(int failure) noexcept;

}  // namespace ramie::os
