// What the site shows: a few pages held in the program, one of them with live figures.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace site {

struct counters {
  std::uint64_t connections = 0;  // ever
  std::uint64_t open = 0;         // now
  std::uint64_t requests = 0;
  std::uint64_t refused = 0;    // answered 503: no descriptor, no stack, or too many connections
  std::uint64_t timed_out = 0;  // cut off by a time limit
};

struct page {
  unsigned status = 200;
  std::string_view type = "text/html; charset=utf-8";
  std::string body;
};
// The page of a path (a query is ignored); 404 where there is none.
page find(std::string_view target, const counters& now);
// A page that says what was wrong.
page of_error(unsigned status, std::string_view text);

}  // namespace site
