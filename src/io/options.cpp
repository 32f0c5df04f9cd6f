// What can be set on sockets and asked of them.
#include "io/access.hpp"

namespace ramie::inline v0::net {
namespace {

using os::socket_option;

void set(int number, const char* call, socket_option which, int value) {
  checked(os::set_option(number, which, value), call);
}
int get(int number, const char* call, socket_option which) {
  int value = 0;
  checked(os::get_option(number, which, value), call);
  return value;
}

void set(const socket& on, const char* call, socket_option which, int value) {
  set(access::number_of(on, call), call, which, value);
}
int get(const socket& on, const char* call, socket_option which) {
  return get(access::number_of(on, call), call, which);
}
void set_tcp(const stream& on, const char* call, socket_option which, int value) {
  set(access::number_of_tcp(on, call), call, which, value);
}
int get_tcp(const stream& on, const char* call, socket_option which) {
  return get(access::number_of_tcp(on, call), call, which);
}

}  // namespace

void socket::set_receive_buffer_bytes(int bytes) {
  set(*this, "set_receive_buffer_bytes", socket_option::receive_buffer_bytes, bytes);
}
int socket::receive_buffer_bytes() const {
  return get(*this, "receive_buffer_bytes", socket_option::receive_buffer_bytes);
}
void socket::set_send_buffer_bytes(int bytes) {
  set(*this, "set_send_buffer_bytes", socket_option::send_buffer_bytes, bytes);
}
int socket::send_buffer_bytes() const { return get(*this, "send_buffer_bytes", socket_option::send_buffer_bytes); }

void stream::set_no_delay(bool on) { set_tcp(*this, "set_no_delay", socket_option::no_delay, on); }
bool stream::no_delay() const { return get_tcp(*this, "no_delay", socket_option::no_delay) != 0; }
void stream::set_keep_alive(bool on) { set_tcp(*this, "set_keep_alive", socket_option::keep_alive, on); }
bool stream::keep_alive() const { return get_tcp(*this, "keep_alive", socket_option::keep_alive) != 0; }
void stream::set_keep_alive_idle_s(int seconds) {
  set_tcp(*this, "set_keep_alive_idle_s", socket_option::keep_alive_idle_s, seconds);
}
int stream::keep_alive_idle_s() const { return get_tcp(*this, "keep_alive_idle_s", socket_option::keep_alive_idle_s); }
void stream::set_keep_alive_interval_s(int seconds) {
  set_tcp(*this, "set_keep_alive_interval_s", socket_option::keep_alive_interval_s, seconds);
}
int stream::keep_alive_interval_s() const {
  return get_tcp(*this, "keep_alive_interval_s", socket_option::keep_alive_interval_s);
}
void stream::set_keep_alive_probes(int count) {
  set_tcp(*this, "set_keep_alive_probes", socket_option::keep_alive_probes, count);
}
int stream::keep_alive_probes() const { return get_tcp(*this, "keep_alive_probes", socket_option::keep_alive_probes); }
void stream::set_unanswered_limit_ms(int milliseconds) {
  set_tcp(*this, "set_unanswered_limit_ms", socket_option::unanswered_limit_ms, milliseconds);
}
int stream::unanswered_limit_ms() const {
  return get_tcp(*this, "unanswered_limit_ms", socket_option::unanswered_limit_ms);
}
void stream::set_reset_on_close(bool on) { set_tcp(*this, "set_reset_on_close", socket_option::reset_on_close, on); }
bool stream::reset_on_close() const { return get_tcp(*this, "reset_on_close", socket_option::reset_on_close) != 0; }

void datagram::set_broadcast(bool on) { set(*this, "set_broadcast", socket_option::broadcast, on); }
bool datagram::broadcast() const { return get(*this, "broadcast", socket_option::broadcast) != 0; }

}  // namespace ramie::inline v0::net
