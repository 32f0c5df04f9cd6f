#include "backtrace/symbolizer.hpp"

#include "base/fixed_text.hpp"
#include "os/process_spawn.hpp"
#include "os/signal_safe.hpp"

#include <limits.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <array>
#include <atomic>

namespace ramie::backtrace {

namespace {

constexpr std::string_view program_name = "ramie";

std::array<char, PATH_MAX> path = {};
std::array<char, PATH_MAX + 32> library_path = {};  // "LD_LIBRARY_PATH=..." for the program
std::atomic<int> state = 0;                         // 0: not looked for, 1: somebody looks, 2: found or not

// The entry "NAME=value" of the environment, or null. Not getenv: the whole entry is wanted, and no lock.
const char* environment_entry(std::string_view name) noexcept {
  if (environ == nullptr) return nullptr;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.size() > name.size() && text.starts_with(name) && text[name.size()] == '=') return *entry;
  }
  return nullptr;
}

const char* environment_value(std::string_view name) noexcept {
  const char* entry = environment_entry(name);
  return entry == nullptr ? nullptr : entry + name.size() + 1;
}

// Takes folder/ramie when it can be executed.
bool try_folder(std::string_view folder) noexcept {
  if (folder.empty() || folder.front() != '/') return false;
  fixed_text text(std::span<char>(path).first(path.size() - 1));
  text.add(folder).add('/').add(program_name);
  path[text.size()] = '\0';
  if (!text.truncated() && os::may_execute(path.data())) return true;
  path[0] = '\0';
  return false;
}

void look() noexcept {
  if (getauxval(AT_SECURE) != 0) return;
  if (const char* chosen = environment_value("RAMIE_SYMBOLIZER"); chosen != nullptr) {
    fixed_text text(std::span<char>(path).first(path.size() - 1));
    text.add(chosen);
    if (text.truncated()) text.shrink(0);
    path[text.size()] = '\0';
    return;
  }
  // Read into `path` and put together there: an alternate stack has no room for paths.
  const std::string_view program = os::read_link("/proc/self/exe", path);
  if (try_folder(program.substr(0, program.rfind('/') == program.npos ? 0 : program.rfind('/')))) return;
  const char* folders = environment_value("PATH");
  std::string_view rest = folders == nullptr ? "/usr/local/bin:/usr/bin" : folders;
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    if (try_folder(rest.substr(0, end))) return;
    rest = end == rest.npos ? "" : rest.substr(end + 1);
  }
}

// In the child of a fork that came while another thread was looking, nobody looks.
void look_again() noexcept {
  int looking = 1;
  state.compare_exchange_strong(looking, 0);
}
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(nullptr, nullptr, &look_again); }

}  // namespace

void find_symbolizer() noexcept {
  int expected = 0;
  if (!state.compare_exchange_strong(expected, 1)) return;
  if (const char* entry = environment_entry("LD_LIBRARY_PATH"); entry != nullptr) {
    fixed_text text(std::span<char>(library_path).first(library_path.size() - 1));
    text.add(entry);
    if (text.truncated()) library_path[0] = '\0';
  }
  look();
  state.store(2);
}

const char* symbolizer_path() noexcept { return state.load() == 2 ? path.data() : ""; }

symbolized symbolize(std::string_view questions, std::span<char> memory, std::string_view& answer) noexcept {
  answer = {};
  find_symbolizer();
  if (*symbolizer_path() == '\0') return symbolized::no_program;
  const char* const arguments[] = {path.data(), "symbolize", nullptr};
  const char* const environment[] = {"LC_ALL=C", library_path[0] == '\0' ? nullptr : library_path.data(), nullptr};
  const os::exchange result = os::ask_program(arguments, environment, questions, memory, symbolizer_limit_ns);
  if (result.error != 0) return symbolized::not_started;
  answer = {memory.data(), result.answer_bytes};
  answer = answer.substr(0, answer.rfind('\n') == answer.npos ? 0 : answer.rfind('\n') + 1);
  return result.timed_out ? symbolized::timed_out : symbolized::answered;
}

}  // namespace ramie::backtrace
