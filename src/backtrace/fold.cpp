#include "backtrace/fold.hpp"

namespace ramie::backtrace {

namespace {

constexpr std::uint64_t shortest_run = 12;
constexpr std::uint64_t fewest_visits = 3;

// The trace as one row of places: the newest frames, one place for those between (if any), the oldest.
class places {
 public:
  explicit places(const trace& frames) noexcept : trace_(frames) {}

  [[nodiscard]] std::size_t size() const noexcept {
    return trace_.newest_count() + (has_gap() ? 1 : 0) + trace_.oldest_count();
  }
  [[nodiscard]] bool is_gap(std::size_t place) const noexcept { return has_gap() && place == trace_.newest_count(); }
  [[nodiscard]] const frame& at(std::size_t place) const noexcept {
    return place < trace_.newest_count() ? trace_.newest(place) : trace_.oldest(place - first_old());
  }
  // How many frames there are before this place.
  [[nodiscard]] std::uint64_t number(std::size_t place) const noexcept {
    return place <= trace_.newest_count() ? place : place - first_old() + trace_.newest_count() + trace_.between();
  }
  [[nodiscard]] std::uint64_t gap() const noexcept { return trace_.between(); }
  [[nodiscard]] const function_set& gap_functions() const noexcept { return trace_.between_functions(); }

 private:
  [[nodiscard]] bool has_gap() const noexcept { return trace_.between() != 0; }
  [[nodiscard]] std::size_t first_old() const noexcept { return trace_.newest_count() + (has_gap() ? 1 : 0); }
  const trace& trace_;
};

// A run of places whose frames belong to few functions.
class run {
 public:
  // The run from `begin` with exactly `functions` functions; worthwhile() when it is a recursion.
  run(const places& all, std::size_t begin, std::size_t functions) noexcept : begin_(begin), end_(begin) {
    while (end_ < all.size() && (all.is_gap(end_) ? take_gap(all, functions) : take(all.at(end_), functions))) ++end_;
    frames_ = all.number(end_) - all.number(begin_);
  }

  [[nodiscard]] bool worthwhile() const noexcept {
    if (frames_ < shortest_run || shown() == 0) return false;
    for (std::size_t at = 0; at < members_.size(); ++at)
      if (visits_[at] < fewest_visits) return false;
    return true;
  }
  [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }
  [[nodiscard]] std::size_t end() const noexcept { return end_; }
  [[nodiscard]] std::size_t functions() const noexcept { return members_.size(); }
  // How many of its frames show each function once; 0 when the trace does not hold them in one piece.
  [[nodiscard]] std::size_t shown() const noexcept { return all_seen_; }

 private:
  bool take(const frame& next, std::size_t functions) noexcept {
    if (!visit(next.identity(), functions, 1)) return false;
    if (members_.size() == functions && all_seen_ == 0 && !past_gap_) all_seen_ = end_ + 1 - begin_;
    return true;
  }
  bool take_gap(const places& all, std::size_t functions) noexcept {
    const function_set& inside = all.gap_functions();
    if (!inside.complete()) return false;
    function_set together = members_;
    for (std::size_t at = 0; at < inside.size(); ++at)
      if (!together.add(inside[at]) || together.size() > functions) return false;
    past_gap_ = true;
    for (std::size_t at = 0; at < inside.size(); ++at) visit(inside[at], functions, 1);
    return true;
  }
  bool visit(std::uintptr_t identity, std::size_t functions, std::uint64_t times) noexcept {
    for (std::size_t at = 0; at < members_.size(); ++at) {
      if (members_[at] != identity) continue;
      visits_[at] += times;
      return true;
    }
    if (members_.size() == functions || !members_.add(identity)) return false;
    visits_[members_.size() - 1] = times;
    return true;
  }

  std::size_t begin_;
  std::size_t end_;
  std::uint64_t frames_ = 0;
  std::size_t all_seen_ = 0;
  bool past_gap_ = false;
  function_set members_;
  std::array<std::uint64_t, function_set::capacity> visits_ = {};
};

// The longest recursion that begins at this place; of equally long ones that with fewest functions.
run longest_run(const places& all, std::size_t begin) noexcept {
  run best(all, begin, 1);
  for (std::size_t functions = 2; functions <= function_set::capacity; ++functions) {
    const run next(all, begin, functions);
    if (next.worthwhile() && (!best.worthwhile() || next.frames() > best.frames())) best = next;
  }
  return best;
}

}  // namespace

std::span<folded_line> fold(const trace& frames, std::span<folded_line, folded_line_limit> lines) noexcept {
  const places all(frames);
  std::size_t used = 0;
  const auto add = [&](const folded_line& line) {
    if (used < lines.size()) lines[used++] = line;
  };
  const auto add_frame = [&](std::size_t place) {
    add({.what = folded_line::kind::frame, .number = all.number(place), .at = all.at(place)});
  };
  for (std::size_t place = 0; place < all.size();) {
    if (all.is_gap(place)) {
      add({.what = folded_line::kind::left_out, .number = all.gap(), .at = {}});
      ++place;
      continue;
    }
    const run recursion = longest_run(all, place);
    if (!recursion.worthwhile()) {
      add_frame(place++);
      continue;
    }
    for (std::size_t shown = 0; shown < recursion.shown(); ++shown) add_frame(place + shown);
    add({.what = folded_line::kind::repeated,
         .number = recursion.frames() - recursion.shown(),
         .functions = recursion.functions(),
         .at = {}});
    place = recursion.end();
  }
  return lines.first(used);
}

}  // namespace ramie::backtrace
