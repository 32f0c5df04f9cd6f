#include "backtrace/frame_names.hpp"

#include "backtrace/describe.hpp"
#include "backtrace/report.hpp"
#include "backtrace/symbolizer.hpp"
#include "os/signal_safe.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

namespace ramie::backtrace {
namespace {

// Of one question: its answer fits this often with names of usual length; what does not fit goes without.
constexpr std::size_t frames_at_once = 512;
constexpr std::size_t answer_bytes_each = 400;

std::string hexadecimal(std::uintptr_t number) {
  std::array<char, 20> memory;
  fixed_text text(memory);
  text.add_hex(number);
  return std::string(text.view());
}

// "??:0" is what the symbolizer says of a line that it does not know.
std::string_view without_unknown(std::string_view answer) noexcept {
  constexpr std::string_view no_line = " ??:0";
  if (answer.ends_with(no_line)) answer.remove_suffix(no_line.size());
  return answer == "??" ? std::string_view() : answer;
}

std::string name_in_process(const frame& at) {
  const char* found = exported_name(at);
  if (found == nullptr) return {};
  int status = 0;
  char* plain = abi::__cxa_demangle(found, nullptr, nullptr, &status);
  std::string name = plain != nullptr ? plain : found;
  std::free(plain);
  return name;
}

}  // namespace

void frame_names::ask(std::span<const frame> frames) {
  std::array<char, 4096> program;
  std::string questions;
  for (const frame& at : frames) {
    const location where = locate(at, program);
    if (where.module.ends_with(" (deleted)")) {
      questions += "/proc/" + std::to_string(os::process_number()) + "/exe";
    } else {
      questions += where.module.empty() ? "?" : where.module;
    }
    questions += ' ' + hexadecimal(where.offset) + '\n';
  }
  std::vector<char> memory(frames.size() * answer_bytes_each);
  std::string_view answers;
  {
    const report turn;  // the symbolizer serves one at a time
    if (turn.usable()) symbolize(questions, memory, answers);
  }
  for (const frame& at : frames) {
    const std::size_t end = answers.find('\n');
    std::string name;
    if (end != answers.npos) {
      name = without_unknown(answers.substr(0, end));
      answers.remove_prefix(end + 1);
    }
    if (name.empty()) name = name_in_process(at);
    names_[at.lookup_pc()] = std::move(name);
  }
}

void frame_names::learn(std::span<const frame> frames) {
  std::vector<frame> unknown;
  for (const frame& at : frames) {
    if (names_.try_emplace(at.lookup_pc()).second) unknown.push_back(at);
  }
  const std::span<const frame> all(unknown);
  for (std::size_t from = 0; from < all.size(); from += frames_at_once) {
    ask(all.subspan(from, std::min(frames_at_once, all.size() - from)));
  }
}

std::string_view frame_names::name_of(const frame& at) const noexcept {
  const auto known = names_.find(at.lookup_pc());
  return known == names_.end() ? std::string_view() : std::string_view(known->second);
}

void frame_names::append(std::string& text, const frame& at) const {
  std::array<char, 4096> program;
  const location where = locate(at, program);
  const std::string_view name = name_of(at);
  if (where.module.empty()) {
    text += hexadecimal(where.offset) + "  (in no loaded file)";
    return;
  }
  if (!name.empty()) (text += name) += "  (";
  (text += where.name()) += '+' + hexadecimal(where.offset);
  if (!name.empty()) text += ')';
}

}  // namespace ramie::backtrace
