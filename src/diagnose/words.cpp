#include "diagnose/words.hpp"

#include <cinttypes>
#include <cstdio>

namespace ramie::diagnose {
namespace {

std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes == UINT64_MAX) return "unlimited";
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes);
  for (const char* unit : {" KiB", " MiB", " GiB", " TiB"}) {
    value /= 1024;
    if (value < 999.5 || unit[1] == 'T') {
      bool whole = value >= 99.95 || value - static_cast<double>(static_cast<std::uint64_t>(value)) < 0.005;
      return printed(whole ? "%.0f" : "%.1f", value) + unit;
    }
  }
  return {};
}

std::string signed_size_text(std::int64_t bytes) {
  if (bytes < 0) return "-" + size_text(std::uint64_t{0} - static_cast<std::uint64_t>(bytes));
  return size_text(static_cast<std::uint64_t>(bytes));
}

std::string percent_text(double share) {
  double percent = share * 100;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  return printed(percent >= 10 || percent == 0 ? "%.0f %%" : "%.1f %%", percent);
}

std::string range_text(std::uint64_t start, std::uint64_t end) {
  char text[64];
  std::snprintf(text, sizeof text, "%" PRIx64 "-%" PRIx64, start, end);
  return text;
}

std::string duration_text(double seconds) {
  if (seconds < 120) return printed("%.0f s", seconds);
  if (seconds < 7200) return printed("%.0f min", seconds / 60);
  if (seconds < 172800) return printed("%.1f hours", seconds / 3600);
  return printed("%.1f days", seconds / 86400);
}

std::string milliseconds_text(double least, double most) {
  if (most < 1) return "under 1 ms";
  std::string low = printed(least < 10 ? "%.1f" : "%.0f", least), high = printed(most < 10 ? "%.1f" : "%.0f", most);
  return (low == high ? low : low + "-" + high) + " ms";
}

}  // namespace ramie::diagnose
