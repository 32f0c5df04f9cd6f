// One subcommand of the ramie program: how it adds itself to the parser, and what it does.
//
// Each lives in a file of its own and is listed in main.cpp; a command returns the process's exit status: 0 fine,
// 1 a finding, 2 wrong usage.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace ramie::app {

using action = std::function<int()>;

// Adds the subcommand to `root` and returns what runs when it was chosen.
action add_bench(CLI::App& root);
action add_demo(CLI::App& root);
action add_symbolize(CLI::App& root);
action add_version(CLI::App& root);
action add_doctor(CLI::App& root);

// Of `bench`: it has options of its own.
action add_bench_cow(CLI::App& bench);

}  // namespace ramie::app
