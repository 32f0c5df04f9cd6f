#include "os/proc_process.hpp"

#include <charconv>

namespace ramie::os {
namespace {

std::uint64_t kilobytes(std::string_view text, std::string_view key) { return number_in(value_of(text, key)) * 1024; }

std::uint64_t hexadecimal(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

std::string_view word(std::string_view text, unsigned index) {
  for (;;) {
    std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    text.remove_prefix(first);
    std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    if (index-- == 0) return text.substr(0, end);
    text.remove_prefix(end);
  }
}

// "Max processes             96365                96365                processes": the soft limit.
std::uint64_t soft_limit(std::string_view text, std::string_view key) {
  std::size_t at = text.find(key);
  if (at == std::string_view::npos) return unlimited;
  std::string_view line = text.substr(at + key.size(), text.find('\n', at) - at - key.size());
  return number_in(word(line, 0), unlimited);
}

}  // namespace

process_status parse_status(std::string_view text) {
  process_status status;
  status.name = value_of(text, "Name");
  std::string_view state = value_of(text, "State");
  if (!state.empty()) status.state = state[0];
  status.pid = static_cast<int>(number_in(value_of(text, "Pid")));
  status.parent = static_cast<int>(number_in(value_of(text, "PPid")));
  std::string_view users = value_of(text, "Uid");
  status.real_user = static_cast<unsigned>(number_in(word(users, 0)));
  status.effective_user = static_cast<unsigned>(number_in(word(users, 1)));
  status.effective_capabilities = hexadecimal(value_of(text, "CapEff"));
  status.threads = number_in(value_of(text, "Threads"));
  std::string_view pids = value_of(text, "NSpid");
  for (unsigned i = 0; !word(pids, i).empty(); ++i) {
    status.namespace_pids.push_back(static_cast<int>(number_in(word(pids, i))));
  }
  // A process that is dying has lost its address space too; kernel threads are kthreadd (2) and its children.
  const bool of_kernel = status.pid == 2 || status.parent == 2;
  status.has_address_space = !value_of(text, "VmSize").empty();
  status.kernel_thread = !status.has_address_space && of_kernel;
  status.address_space = kilobytes(text, "VmSize");
  status.data = kilobytes(text, "VmData");
  status.stack = kilobytes(text, "VmStk");
  status.resident = kilobytes(text, "VmRSS");
  // Before Linux 4.5 the split is not printed; the whole is the safe answer.
  status.resident_anonymous = value_of(text, "RssAnon").empty() ? status.resident : kilobytes(text, "RssAnon");
  status.page_tables = kilobytes(text, "VmPTE");
  status.swapped = kilobytes(text, "VmSwap");
  status.locked = kilobytes(text, "VmLck");
  status.pinned = kilobytes(text, "VmPin");
  status.huge_pages = kilobytes(text, "HugetlbPages");
  return status;
}

process_limits parse_limits(std::string_view text) {
  process_limits limits;
  limits.processes = soft_limit(text, "Max processes");
  limits.files = soft_limit(text, "Max open files");
  limits.stack = soft_limit(text, "Max stack size");
  limits.address_space = soft_limit(text, "Max address space");
  limits.data = soft_limit(text, "Max data size");
  limits.locked = soft_limit(text, "Max locked memory");
  return limits;
}

std::uint64_t count_tasks_of_user(const proc_root& root, unsigned user) {
  std::uint64_t tasks = 0;
  for (int pid : list_processes(root)) {
    file_text status = read_text(root.of_process(pid, "status"));
    if (!status) continue;
    std::string_view users = value_of(status.text, "Uid");
    if (number_in(users) == user) tasks += number_in(value_of(status.text, "Threads"));
  }
  return tasks;
}

}  // namespace ramie::os
