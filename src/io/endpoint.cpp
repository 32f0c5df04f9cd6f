#include "io/access.hpp"
#include "io/name.hpp"

#include <charconv>
#include <cstring>

namespace ramie::inline v0::net {
namespace {

bool parse_address(std::string_view text, os::address& result) noexcept {
  if (is_unix_name(text)) return os::to_unix_address(text.substr(unix_prefix.size()), result);
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failure != std::errc() || end != digits.data() + digits.size()) return false;
  const bool is_in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_in_brackets) host = host.substr(1, host.size() - 2);
  if ((host.find(':') != std::string_view::npos) != is_in_brackets) return false;
  return os::to_address(host, port, result);
}

}  // namespace

endpoint endpoint::parse(std::string_view text, std::error_code& error) noexcept {
  os::address result;
  const bool good = parse_address(text, result);
  error = good ? std::error_code() : std::make_error_code(std::errc::invalid_argument);
  return good ? access::endpoint_of(result) : endpoint();
}

endpoint::endpoint(std::string_view text) {
  std::error_code error;
  *this = parse(text, error);
  if (!error) return;
  if (is_unix_name(text) && text.size() - unix_prefix.size() > os::unix_path_most) {
    throw std::system_error(error, "endpoint \"" + std::string(text) + "\": the name of a Unix socket has at most " +
                                       std::to_string(os::unix_path_most) + " bytes, this one has " +
                                       std::to_string(text.size() - unix_prefix.size()));
  }
  throw std::system_error(error, "endpoint \"" + std::string(text) +
                                     "\": \"127.0.0.1:80\", \"[::1]:80\" or \"unix:/path\" is meant, a port is at "
                                     "most 65535; names are not looked up here");
}

endpoint::family_kind endpoint::family() const noexcept {
  return static_cast<family_kind>(os::family_of(access::address_of(*this)));
}
std::uint16_t endpoint::port() const noexcept { return os::port_of(access::address_of(*this)); }
std::string endpoint::text() const { return os::text_of(access::address_of(*this)); }
bool endpoint::equals(const endpoint& other) const noexcept {
  return size_ == other.size_ && std::memcmp(bytes_, other.bytes_, size_) == 0;
}

}  // namespace ramie::inline v0::net
