#include "bench_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <system_error>

namespace ramie::app {
namespace {

constexpr double width = 960, height = 560, left = 80, right = 220, top = 50, bottom = 60;
constexpr const char* colours[] = {"#0b6e4f", "#1d7fd1", "#d1495b", "#8a5fbf",
                                   "#e08e0b", "#3a3a3a", "#7a9e00", "#c2185b"};

// One logarithmic axis over whole decades.
struct axis {
  double low, high;  // exponents of ten
  double from, to;   // pixels
  [[nodiscard]] double place(double value) const {
    return from + (std::log10(value) - low) / (high - low) * (to - from);
  }
};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string short_number(double value) {
  if (value >= 1e9) return fmt::format("{:g} G", value / 1e9);
  if (value >= 1e6) return fmt::format("{:g} M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:g} k", value / 1e3);
  return fmt::format("{:g}", value);
}

void draw_axes(std::string& out, const axis& x, const axis& y, const std::string& x_name, const std::string& y_name) {
  auto to = std::back_inserter(out);
  for (int exponent = static_cast<int>(x.low); exponent <= static_cast<int>(x.high); ++exponent) {
    const double e = exponent;
    const double at = x.place(std::pow(10, e));
    fmt::format_to(to, "<line x1='{0:.1f}' y1='{1}' x2='{0:.1f}' y2='{2}' stroke='#ddd'/>\n", at, top, height - bottom);
    fmt::format_to(to, "<text x='{:.1f}' y='{}' text-anchor='middle'>{}</text>\n", at, height - bottom + 18,
                   short_number(std::pow(10, e)));
  }
  for (int exponent = static_cast<int>(y.low); exponent <= static_cast<int>(y.high); ++exponent) {
    const double e = exponent;
    const double at = y.place(std::pow(10, e));
    fmt::format_to(to, "<line x1='{1}' y1='{0:.1f}' x2='{2}' y2='{0:.1f}' stroke='#ddd'/>\n", at, left, width - right);
    fmt::format_to(to, "<text x='{}' y='{:.1f}' text-anchor='end'>{}</text>\n", left - 8, at + 4,
                   short_number(std::pow(10, e)));
  }
  fmt::format_to(to, "<text x='{}' y='{}' text-anchor='middle'>{}</text>\n", (left + width - right) / 2, height - 16,
                 escaped(x_name));
  fmt::format_to(to, "<text transform='translate(20,{}) rotate(-90)' text-anchor='middle'>{}</text>\n",
                 (top + height - bottom) / 2, escaped(y_name));
}

void draw_curve(std::string& out, const axis& x, const axis& y, const curve& one, std::size_t index) {
  auto to = std::back_inserter(out);
  const char* colour = colours[index % std::size(colours)];
  fmt::format_to(to, "<polyline fill='none' stroke='{}' stroke-width='2'{} points='", colour,
                 one.dashed ? " stroke-dasharray='6 4'" : "");
  for (const auto& [at_x, at_y] : one.points) fmt::format_to(to, "{:.1f},{:.1f} ", x.place(at_x), y.place(at_y));
  const double legend = top + 14 + static_cast<double>(index) * 22;
  fmt::format_to(to, "'/>\n<line x1='{0}' y1='{2}' x2='{1}' y2='{2}' stroke='{3}' stroke-width='2'{4}/>\n",
                 width - right + 14, width - right + 44, legend, colour, one.dashed ? " stroke-dasharray='6 4'" : "");
  fmt::format_to(to, "<text x='{}' y='{}'>{}</text>\n", width - right + 50, legend + 4, escaped(one.name));
}

axis fitted(const std::vector<curve>& curves, bool vertical) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const curve& one : curves) {
    for (const auto& [at_x, at_y] : one.points) {
      low = std::min(low, std::log10(vertical ? at_y : at_x));
      high = std::max(high, std::log10(vertical ? at_y : at_x));
    }
  }
  if (low > high) low = 0, high = 1;
  low = std::floor(low + 1e-9);
  high = std::max(std::ceil(high - 1e-9), low + 1);
  return vertical ? axis{low, high, height - bottom, top} : axis{low, high, left, width - right};
}

}  // namespace

void write_plot(const std::string& file, const std::string& title, const std::string& x_name, const std::string& y_name,
                const std::vector<curve>& curves) {
  const axis x = fitted(curves, false), y = fitted(curves, true);
  std::string out = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {0} {1}' width='{0}' height='{1}' font-family='sans-serif' "
      "font-size='12'>\n<rect width='{0}' height='{1}' fill='white'/>\n<text x='{2}' y='28' "
      "font-size='16'>{3}</text>\n",
      width, height, left, escaped(title));
  draw_axes(out, x, y, x_name, y_name);
  for (std::size_t i = 0; i < curves.size(); ++i) draw_curve(out, x, y, curves[i], i);
  out += "</svg>\n";
  std::ofstream to(file);
  to << out;
  to.close();
  if (!to) throw std::system_error(errno, std::generic_category(), fmt::format("cannot write the plot to {}", file));
}

}  // namespace ramie::app
