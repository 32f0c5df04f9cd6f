// `ramie doctor` as a subcommand of the ramie program; ramie-doctor has a main of its own.
#include "command.hpp"
#include "doctor.hpp"

#include <CLI/CLI.hpp>

namespace ramie::app {

action add_doctor(CLI::App& root) {
  return configure_doctor(
      *root.add_subcommand("doctor", "Say which limit a process will hit, how close, and what to type"));
}

}  // namespace ramie::app
