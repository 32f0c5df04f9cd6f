// `ramie version`: what this build is.
#include "command.hpp"

#include <ramie/version.hpp>

#include <fmt/core.h>

#include <CLI/CLI.hpp>

namespace ramie::app {

action add_version(CLI::App& root) {
  root.add_subcommand("version", "Print the version and the build's choices");
  return [] {
    fmt::print("ramie {}, {}, switch: {}\n", version_text, __VERSION__, switch_name);
    return 0;
  };
}

}  // namespace ramie::app
