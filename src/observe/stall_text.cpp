// What a stall looks like to people, and to programs.
#include <ramie/stall_watch.hpp>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace ramie {
namespace {

double in_ms(std::chrono::nanoseconds duration) noexcept { return static_cast<double>(duration.count()) / 1e6; }

std::string text_of(std::chrono::nanoseconds duration) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), duration < std::chrono::milliseconds(10) ? "%.1f ms" : "%.0f ms",
                in_ms(duration));
  return text.data();
}

std::string_view file_of(const call_site& site) noexcept {
  const std::string_view path = site.file;
  return path.substr(path.rfind('/') + 1);
}

void add_quoted(std::string& json, std::string_view text) {
  json += '"';
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      json += '\\';
      json += letter;
    } else if (static_cast<unsigned char>(letter) < ' ') {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(letter));
      json += escaped.data();
    } else {
      json += letter;
    }
  }
  json += '"';
}

}  // namespace

std::string describe(const stall& one) {
  std::string text = one.task.empty() ? "ramie: a task" : "ramie: task '" + one.task + "'";
  if (one.is_over) return text + " let others run after " + text_of(one.duration) + "\n";
  if (one.spawned_at.file[0] != 0) {
    text.append(", spawned at ").append(file_of(one.spawned_at)).append(":" + std::to_string(one.spawned_at.line));
  }
  text += ", holds its thread " + std::to_string(one.thread) + " for " + text_of(one.duration);
  if (one.system_call >= 0) text += ", waits in system call " + std::to_string(one.system_call);
  const std::string others = one.could_run == 0 ? "no" : std::to_string(one.could_run);
  text += "; " + others + (one.could_run < 2 ? " other could run:\n" : " others could run:\n");
  for (std::size_t number = 0; number < one.frames.size(); ++number) {
    const bool is_one = one.frames[number][0] != '.';  // else of several: "... 12 more frames"
    const std::string place = is_one ? std::to_string(number) : "";
    text.append(place.size() < 5 ? 5 - place.size() : 0, ' ').append(place).append("  ").append(one.frames[number]);
    text += '\n';
  }
  if (one.frames.empty()) text += "       no frames: " + one.no_frames + "\n";
  return text;
}

std::string to_json(const stall& one) {
  std::string json = "{\"number\":" + std::to_string(one.number);
  json += one.is_over ? ",\"is_over\":true" : ",\"is_over\":false";
  json += ",\"duration_ns\":" + std::to_string(one.duration.count());
  json += ",\"task\":";
  add_quoted(json, one.task);
  json += ",\"file\":";
  add_quoted(json, one.spawned_at.file);
  json += ",\"line\":" + std::to_string(one.spawned_at.line);
  json += ",\"thread\":" + std::to_string(one.thread);
  json += ",\"could_run\":" + std::to_string(one.could_run);
  json += ",\"system_call\":" + std::to_string(one.system_call);
  json += ",\"frames\":[";
  for (const std::string& frame : one.frames) {
    if (&frame != &one.frames.front()) json += ',';
    add_quoted(json, frame);
  }
  json += "],\"no_frames\":";
  add_quoted(json, one.no_frames);
  return json + "}";
}

}  // namespace ramie
