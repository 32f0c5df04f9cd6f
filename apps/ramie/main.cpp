// The ramie command: parses the line, runs the chosen subcommand.
#include "command.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <string>
#include <utility>
#include <vector>

int main(int argument_count, char** arguments) {
  CLI::App root{"ramie: fibers for C++ on Linux, and the tools around them", "ramie"};
  root.require_subcommand(1);
  root.set_version_flag("--version", "ramie 0.1.0");
  using adder = ramie::app::action (*)(CLI::App&);
  std::vector<std::pair<CLI::App*, ramie::app::action>> commands;
  const adder adders[] = {
      ramie::app::add_bench,     ramie::app::add_demo,    ramie::app::add_doctor,
      ramie::app::add_symbolize, ramie::app::add_version,
  };
  for (adder add : adders) {
    ramie::app::action run = add(root);
    commands.emplace_back(root.get_subcommands({}).back(), std::move(run));
  }
  try {
    root.parse(argument_count, arguments);
  } catch (const CLI::Success& done) {
    return root.exit(done);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "ramie: {}\nusage: {} --help\n", wrong.what(), "ramie");
    return 2;
  }
  try {
    for (auto& [command, run] : commands) {
      if (command->parsed()) return run();
    }
  } catch (const std::exception& failure) {
    fmt::print(stderr, "ramie: {}\n", failure.what());
    return 1;
  }
  return 2;
}
