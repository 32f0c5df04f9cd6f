// A plot of rates against a number, both logarithmic, as an SVG file that a browser shows as it is.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ramie::app {

struct curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // both above zero
  bool dashed = false;                            // somebody else's machine
};

// Throws std::system_error when the file cannot be written.
void write_plot(const std::string& file, const std::string& title, const std::string& x_name, const std::string& y_name,
                const std::vector<curve>& curves);

}  // namespace ramie::app
