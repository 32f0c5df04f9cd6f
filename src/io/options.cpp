// What can be set on sockets and asked of them.
#include "io/access.hpp"

namespace ramie::inline v0::net {
namespace {

using os::socket_option;

void set(int number, socket_option which, int value, const char* call) {
  checked(os::set_option(number, which, value), call);
}

int get(int number, socket_option which, const char* call) {
  int value = 0;
  checked(os::get_option(number, which, value), call);
  return value;
}

}  // namespace

void socket::set_receive_buffer_bytes(int bytes) {
  constexpr const char* call = "set_receive_buffer_bytes";
  set(access::number_of(*this, call), socket_option::receive_buffer_bytes, bytes, call);
}
int socket::receive_buffer_bytes() const {
  constexpr const char* call = "receive_buffer_bytes";
  return get(access::number_of(*this, call), socket_option::receive_buffer_bytes, call);
}
void socket::set_send_buffer_bytes(int bytes) {
  constexpr const char* call = "set_send_buffer_bytes";
  set(access::number_of(*this, call), socket_option::send_buffer_bytes, bytes, call);
}
int socket::send_buffer_bytes() const {
  constexpr const char* call = "send_buffer_bytes";
  return get(access::number_of(*this, call), socket_option::send_buffer_bytes, call);
}

void stream::set_no_delay(bool on) {
  constexpr const char* call = "set_no_delay";
  set(access::number_of_tcp(*this, call), socket_option::no_delay, on, call);
}
bool stream::no_delay() const {
  constexpr const char* call = "no_delay";
  return get(access::number_of_tcp(*this, call), socket_option::no_delay, call) != 0;
}
void stream::set_keep_alive(bool on) {
  constexpr const char* call = "set_keep_alive";
  set(access::number_of_tcp(*this, call), socket_option::keep_alive, on, call);
}
bool stream::keep_alive() const {
  constexpr const char* call = "keep_alive";
  return get(access::number_of_tcp(*this, call), socket_option::keep_alive, call) != 0;
}
void stream::set_keep_alive_idle_s(int seconds) {
  constexpr const char* call = "set_keep_alive_idle_s";
  set(access::number_of_tcp(*this, call), socket_option::keep_alive_idle_s, seconds, call);
}
int stream::keep_alive_idle_s() const {
  constexpr const char* call = "keep_alive_idle_s";
  return get(access::number_of_tcp(*this, call), socket_option::keep_alive_idle_s, call);
}
void stream::set_keep_alive_interval_s(int seconds) {
  constexpr const char* call = "set_keep_alive_interval_s";
  set(access::number_of_tcp(*this, call), socket_option::keep_alive_interval_s, seconds, call);
}
int stream::keep_alive_interval_s() const {
  constexpr const char* call = "keep_alive_interval_s";
  return get(access::number_of_tcp(*this, call), socket_option::keep_alive_interval_s, call);
}
void stream::set_keep_alive_probes(int count) {
  constexpr const char* call = "set_keep_alive_probes";
  set(access::number_of_tcp(*this, call), socket_option::keep_alive_probes, count, call);
}
int stream::keep_alive_probes() const {
  constexpr const char* call = "keep_alive_probes";
  return get(access::number_of_tcp(*this, call), socket_option::keep_alive_probes, call);
}
void stream::set_unanswered_limit_ms(int milliseconds) {
  constexpr const char* call = "set_unanswered_limit_ms";
  set(access::number_of_tcp(*this, call), socket_option::unanswered_limit_ms, milliseconds, call);
}
int stream::unanswered_limit_ms() const {
  constexpr const char* call = "unanswered_limit_ms";
  return get(access::number_of_tcp(*this, call), socket_option::unanswered_limit_ms, call);
}
void stream::set_reset_on_close(bool on) {
  constexpr const char* call = "set_reset_on_close";
  set(access::number_of_tcp(*this, call), socket_option::reset_on_close, on, call);
}
bool stream::reset_on_close() const {
  constexpr const char* call = "reset_on_close";
  return get(access::number_of_tcp(*this, call), socket_option::reset_on_close, call) != 0;
}

void datagram::set_broadcast(bool on) {
  constexpr const char* call = "set_broadcast";
  set(access::number_of(*this, call), socket_option::broadcast, on, call);
}
bool datagram::broadcast() const {
  constexpr const char* call = "broadcast";
  return get(access::number_of(*this, call), socket_option::broadcast, call) != 0;
}

}  // namespace ramie::inline v0::net
