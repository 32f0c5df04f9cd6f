// Numbers as people read them in findings. Any thread.
#pragma once

#include <cstdint>
#include <string>

namespace ramie::diagnose {

std::string grouped(std::uint64_t number);   // 31744 -> "31,744"
std::string size_text(std::uint64_t bytes);  // 25276510208 -> "23.5 GiB"; UINT64_MAX -> "unlimited"
std::string signed_size_text(std::int64_t bytes);
std::string percent_text(double share);                          // 0.9861 -> "98.6 %"
std::string range_text(std::uint64_t start, std::uint64_t end);  // "7f12a000-7f12b000", as maps writes it
std::string duration_text(double seconds);                       // "3 min", "2.1 days"
std::string milliseconds_text(double least, double most);        // "26-52 ms", "under 1 ms"

}  // namespace ramie::diagnose
