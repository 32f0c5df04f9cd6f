// Programs and libraries as debug information describes them, by way of elfutils' libdw.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

struct Dwfl;
struct Dwfl_Module;

namespace ramie::app {

// The files asked for so far, each opened once. One thread.
class symbol_files {
 public:
  // "function file:line" of the code at this address of the file, "?? ??:0" when nothing is known; what is not known of
  // it alone is "??" or "??:0". Separate debug files are found where the distribution puts them.
  std::string describe(const std::string& path, std::uint64_t offset);

 private:
  struct closer {
    void operator()(Dwfl* session) const;
  };
  struct file {
    std::unique_ptr<Dwfl, closer> session;
    Dwfl_Module* module = nullptr;  // null: it cannot be read
    std::uint64_t bias = 0;         // what libdw adds to the file's own addresses
  };
  file& open(const std::string& path);

  std::map<std::string, file> files_;
};

}  // namespace ramie::app
