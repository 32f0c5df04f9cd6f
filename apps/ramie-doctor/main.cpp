// ramie-doctor: `ramie doctor` alone, in one static file that can be copied to any Linux from 3.10 on.
#include "doctor.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <functional>

int main(int argument_count, char** arguments) {
  CLI::App root{"ramie-doctor: say which limit a process will hit, how close, and what to type", "ramie-doctor"};
  std::function<int()> run = ramie::app::configure_doctor(root);
  try {
    root.parse(argument_count, arguments);
  } catch (const CLI::Success& done) {
    return root.exit(done);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "ramie-doctor: {}\nusage: ramie-doctor [options] [PID|NAME...]\n", wrong.what());
    return ramie::app::exit_usage;
  }
  return run();
}
