// Lines are read, counted by four workers and summed up: three stages joined by channels, each ending when the one
// before it has closed its channel.
#include <ramie/channel.hpp>
#include <ramie/runtime.hpp>

#include <iostream>
#include <map>
#include <sstream>
#include <string>

namespace {

constexpr const char* text =
    "ramie is one of the oldest fibre crops\n"
    "its fibre is one of the strongest natural fibres\n"
    "it is strongest when wet\n";

std::map<std::string, int> count(const std::string& line) {
  std::map<std::string, int> words;
  std::istringstream in(line);
  for (std::string word; in >> word;) ++words[word];
  return words;
}

}  // namespace

int main() {
  // What children use is declared outside of their scope.
  ramie::channel<std::string> lines(16);
  ramie::channel<std::map<std::string, int>> counts(16);
  std::map<std::string, int> sum;

  return ramie::run([&](ramie::scope& s) {
    s.spawn(
        [&] {
          std::istringstream in(text);
          for (std::string line; std::getline(in, line);) lines.send(line);
          lines.close();
        },
        {.name = "reader"});
    s.spawn(
        [&] {
          ramie::with_scope([&](ramie::scope& workers) {
            for (int i = 0; i < 4; ++i) {
              workers.spawn(
                  [&] {
                    for (std::string& line : lines) counts.send(count(line));
                  },
                  {.name = "worker"});
            }
          });
          counts.close();  // all workers have ended
        },
        {.name = "workers"});
    for (const auto& some : counts) {
      for (const auto& [word, times] : some) sum[word] += times;
    }
    for (const auto& [word, times] : sum) {
      if (times > 1) std::cout << word << ' ' << times << '\n';
    }
    return sum["is"] == 3 && sum["strongest"] == 2 ? 0 : 1;
  });
}
