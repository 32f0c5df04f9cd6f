// Names to addresses: getaddrinfo(), on threads of its own, which may be abandoned.
#include "base/lasting.hpp"
#include "io/access.hpp"
#include "io/name.hpp"
#include "os/names.hpp"

#include <ramie/offload.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <memory>
#include <utility>

namespace ramie::inline v0::net {
namespace {

// Not the default pool: a name server that is silent would hold the threads of all other calls.
constinit std::atomic<offload_pool*> the_resolver_pool = nullptr;
offload_pool& resolver_pool() {
  return first_made(the_resolver_pool,
                    [] { return std::make_unique<offload_pool>(offload_options{.threads = 64, .name = "resolve"}); });
}

class names_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "name"; }
  [[nodiscard]] std::string message(int value) const override { return os::text_of_lookup_failure(value); }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<name_errc>(value)) {
      case name_errc::try_again:
        return std::make_error_condition(std::errc::resource_unavailable_try_again);
      case name_errc::no_memory:
        return std::make_error_condition(std::errc::not_enough_memory);
      default:
        return {value, *this};
    }
  }
};

constinit const lasting<names_category> the_name_category;

bool is_number(std::string_view service, std::uint16_t& port) noexcept {
  const auto [end, failure] = std::from_chars(service.data(), service.data() + service.size(), port);
  return failure == std::errc() && end == service.data() + service.size();
}

// What the C library would take for a port, or for a part of one: "70000" for 4464, "+80" for 80.
bool is_no_service(std::string_view service) noexcept {
  const auto is_digit = [](char one) { return one >= '0' && one <= '9'; };
  const auto is_letter = [](char one) { return (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z'); };
  return std::all_of(service.begin(), service.end(), is_digit) || !(is_digit(service[0]) || is_letter(service[0]));
}

[[noreturn]] void refuse(std::string_view name) {
  throw std::system_error(
      std::make_error_code(std::errc::invalid_argument),
      "resolve \"" + std::string(name) + "\": \"example.org:443\", \"example.org:https\" or \"[::1]:443\" is meant");
}

}  // namespace

host_and_service split(std::string_view name) {
  const std::size_t colon = name.rfind(':');
  if (colon == std::string_view::npos) refuse(name);
  host_and_service result = {name.substr(0, colon), name.substr(colon + 1)};
  const bool is_in_brackets = result.host.size() >= 2 && result.host.front() == '[' && result.host.back() == ']';
  if (is_in_brackets) result.host = result.host.substr(1, result.host.size() - 2);
  if ((result.host.find(':') != std::string_view::npos) != is_in_brackets) refuse(name);
  if (result.host.empty() || result.service.empty()) refuse(name);
  return result;
}

const std::error_category& name_category() noexcept { return *the_name_category; }

std::vector<endpoint> resolve(std::string_view host, std::string_view service) {
  // A zero in a text would end it early for the C library: another name would be looked up.
  if (host.empty() || service.empty() || (std::string(host) += service).find('\0') != std::string::npos)
    refuse(std::string(host) + ":" + std::string(service));
  std::uint16_t port = 0;
  os::address numeric;
  const bool is_port = is_number(service, port);
  if (is_port && os::to_address(host, port, numeric)) return {access::endpoint_of(numeric)};
  if (!is_port && is_no_service(service)) {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                            "resolve " + std::string(host) + ":" + std::string(service) +
                                ": a port is a number from 0 to 65535, or a service's name");
  }
  const os::looked_up told = resolver_pool().run_abandonable(
      [host = std::string(host), service = std::string(service)] { return os::look_up(host, service); });
  if (told.failure == 0) {
    std::vector<endpoint> result;
    result.reserve(told.addresses.size());
    for (const os::address& one : told.addresses) result.push_back(access::endpoint_of(one));
    return result;
  }
  const std::string doing = "resolve " + std::string(host) + ":" + std::string(service);
  if (told.error != 0) fail(-told.error, doing);
  throw std::system_error(make_error_code(static_cast<name_errc>(told.failure)), doing);
}

std::vector<endpoint> resolve(std::string_view name) {
  const host_and_service parts = split(name);
  return resolve(parts.host, parts.service);
}

std::vector<endpoint> resolve(std::string_view host, std::uint16_t port) { return resolve(host, std::to_string(port)); }

}  // namespace ramie::inline v0::net
