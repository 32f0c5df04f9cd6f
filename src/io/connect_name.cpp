// Connecting by name: RFC 8305.
#include "io/access.hpp"
#include "io/name.hpp"

#include <ramie/event.hpp>
#include <ramie/task.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace ramie::inline v0::net {
namespace {

constexpr std::chrono::milliseconds attempt_delay(250);

// All attempts for one name, in the frame of who asks; its tasks run in a scope there.
class attempts {
 public:
  explicit attempts(const std::vector<endpoint>& to) : to_(interleaved(to)), errors_(to_.size()) {}

  stream one_after_the_other() {
    for (std::size_t i = 0; i < to_.size() && !first_.is_open(); ++i) try_one(i);
    return std::move(first_);
  }

  stream side_by_side() {
    with_scope([&](scope& s) {
      for (std::size_t i = 0; i < to_.size() && !first_.is_open(); ++i) {
        news_.reset();
        s.spawn([this, i] { try_one(i); }, {.name = "connect attempt"});
        static_cast<void>(try_for(attempt_delay, [&] { news_.wait(); }));
      }
      while (!first_.is_open() && ended_ < to_.size()) {
        news_.reset();
        news_.wait();
      }
      s.cancel();
    });
    return std::move(first_);
  }

  // All have failed.
  [[nodiscard]] std::error_code error() const { return errors_.back(); }
  [[nodiscard]] std::string text() const {
    std::string all;
    for (std::size_t i = 0; i < to_.size(); ++i)
      all += (all.empty() ? "" : "; ") + to_[i].text() + ": " + errors_[i].message();
    return all;
  }

 private:
  void try_one(std::size_t i) {
    stream made = connect(to_[i], errors_[i]);
    ++ended_;
    if (made.is_open() && !first_.is_open()) first_ = std::move(made);
    news_.set();
  }

  std::vector<endpoint> to_;
  std::vector<std::error_code> errors_;
  std::size_t ended_ = 0;
  stream first_;
  event news_;
};

bool has_scheduler() noexcept { return parking::waiter().home != nullptr; }

stream connect_to_any(const std::vector<endpoint>& found, std::error_code& error, std::string* text) {
  attempts all(found);
  stream made = has_scheduler() && found.size() > 1 ? all.side_by_side() : all.one_after_the_other();
  error = made.is_open() ? std::error_code() : all.error();
  if (error && text != nullptr) *text = all.text();
  return made;
}

}  // namespace

stream connect_to_name(std::string_view name) {
  std::error_code error;
  if (const endpoint numeric = endpoint::parse(name, error); !error) return connect(numeric);
  if (is_unix_name(name)) return connect(endpoint(name));  // which says what is wrong with it
  std::string text;
  stream made = connect_to_any(resolve(name), error, &text);
  if (error) throw std::system_error(error, "connect to " + std::string(name) + " (" + text + ")");
  return made;
}

stream connect_to_name(std::string_view name, std::error_code& error) {
  if (const endpoint numeric = endpoint::parse(name, error); !error) return connect(numeric, error);
  if (is_unix_name(name)) return {};
  try {
    return connect_to_any(resolve(name), error, nullptr);
  } catch (const std::system_error& refused) {
    error = refused.code();
    return {};
  }
}

}  // namespace ramie::inline v0::net
