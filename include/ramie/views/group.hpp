// Several elements at a time, as vectors: chunk, slide, chunk_by. A vector is the view's own and good until the next
// one is asked for; move it out if it is to stay.
//
// Status: experimental.
#pragma once

#include <ramie/views/select.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#pragma GCC visibility push(default)
namespace ramie {

// `count` elements at a time, the last time perhaps fewer. Elements beyond a chunk are not asked for.
template <class Range>
class chunk_view : public control::cursor_view<chunk_view<Range>> {
 public:
  chunk_view(Range range, std::ptrdiff_t count)
      : range_(static_cast<Range&&>(range)), count_(control::checked_count(count, 1, "chunk: a count below one")) {}
  [[nodiscard]] std::optional<std::size_t> size() const {
    const auto all = control::known_size(range_.get());
    if (!all || *all == SIZE_MAX) return all;
    return *all / count_ + (*all % count_ != 0 ? 1 : 0);
  }

 private:
  friend control::cursor_view<chunk_view>;
  struct cursor {
    using value_type = std::vector<control::value_of<Range>>;
    control::walk<Range> in;
    std::size_t count;
    value_type chunk = {};
    [[nodiscard]] value_type& read() { return chunk; }
    void advance() {
      const bool full = chunk.size() >= count;
      chunk.clear();
      if (full && !in.ended()) ++in.at;
      fill();
    }
    void fill() {
      while (!in.ended()) {
        chunk.emplace_back(*in.at);
        if (chunk.size() == count) return;  // the iterator stays on the last one: no more is asked for
        ++in.at;
      }
    }
    [[nodiscard]] bool ended() const { return chunk.empty(); }
  };
  cursor start() {
    cursor made{control::walk<Range>(range_.get()), count_};
    made.fill();
    return made;
  }

  control::kept_range<Range> range_;
  std::size_t count_;
};

// Every run of `count` neighbours; none when there are fewer.
template <class Range>
class slide_view : public control::cursor_view<slide_view<Range>> {
 public:
  slide_view(Range range, std::ptrdiff_t count)
      : range_(static_cast<Range&&>(range)), count_(control::checked_count(count, 1, "slide: a count below one")) {}
  [[nodiscard]] std::optional<std::size_t> size() const {
    const auto all = control::known_size(range_.get());
    if (!all || *all == SIZE_MAX) return all;
    return *all >= count_ ? *all - count_ + 1 : 0;
  }

 private:
  friend control::cursor_view<slide_view>;
  struct cursor {
    using value_type = std::vector<control::value_of<Range>>;
    control::walk<Range> in;
    std::size_t count;
    value_type window = {};
    [[nodiscard]] value_type& read() { return window; }
    void advance() {
      window.erase(window.begin());
      ++in.at;
      fill();
    }
    void fill() {
      while (!in.ended()) {
        window.emplace_back(*in.at);
        if (window.size() == count) return;
        ++in.at;
      }
    }
    [[nodiscard]] bool ended() const { return window.size() < count; }
  };
  cursor start() {
    cursor made{control::walk<Range>(range_.get()), count_};
    made.fill();
    return made;
  }

  control::kept_range<Range> range_;
  std::size_t count_;
};

// Runs of neighbours a, b for which together(a, b) holds. Looks at one element beyond a run.
template <class Range, class Predicate>
class chunk_by_view : public control::cursor_view<chunk_by_view<Range, Predicate>> {
 public:
  chunk_by_view(Range range, Predicate together)
      : range_(static_cast<Range&&>(range)), together_(std::move(together)) {}

 private:
  friend control::cursor_view<chunk_by_view>;
  struct cursor {
    using value_type = std::vector<control::value_of<Range>>;
    control::walk<Range> in;
    Predicate* together;
    value_type run = {};
    [[nodiscard]] value_type& read() { return run; }
    void advance() {
      run.clear();
      fill();
    }
    void fill() {
      while (!in.ended() && (run.empty() || belongs(*in.at))) {
        run.emplace_back(*in.at);
        ++in.at;
      }
    }
    // Not by the caller's deref: an rvalue must not be given away by asking about it.
    template <class Element>
    bool belongs(Element&& element) {
      return std::invoke(*together, std::as_const(run.back()), std::as_const(element));
    }
    [[nodiscard]] bool ended() const { return run.empty(); }
  };
  cursor start() {
    cursor made{control::walk<Range>(range_.get()), std::addressof(together_)};
    made.fill();
    return made;
  }

  control::kept_range<Range> range_;
  Predicate together_;
};

}  // namespace ramie

#pragma GCC visibility pop
