// A chain of calls with known addresses, compiled in many ways: by each compiler, with and without optimization, frame
// pointers and unwind tables (see CMakeLists.txt).
#pragma once

#include <cstddef>

namespace chain {

using visitor = void (*)(void* argument);

struct variant {
  const char* name;
  bool has_tables;
  // Newest first: the functions between the visitor and whoever called `run`.
  const void* functions[4];
  int (*run)(visitor visit, void* argument);
  // Recursion `depth` times through two functions, then the visitor.
  int (*recurse)(visitor visit, void* argument, int depth);
  const void* recursion[2];
};

// All variants that this build has.
const variant* const* variants(std::size_t& count);

}  // namespace chain
