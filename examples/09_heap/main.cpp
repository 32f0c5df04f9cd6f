// A dictionary on a garbage-collected heap, shared by worker processes: what each of them pays for collecting.
#include <ramie/heap.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace {

// A binary search tree. The collector learns from `trace` what a node refers to; nothing else is asked of a type.
struct word {
  explicit word(std::string given) : text(std::move(given)) {}
  std::string text;  // has a destructor, so word has one: it runs when the word is found dead
  std::uint64_t count = 1;
  ramie::ref<word> smaller, larger;
  void trace(ramie::visitor& visit) const { visit(smaller, larger); }
};

void add(ramie::heap& h, ramie::root<word>& top, const std::string& text) {
  if (!top) {
    top = h.make<word>(text);
    return;
  }
  ramie::ref<word> at = top;
  while (at->text != text) {
    ramie::ref<word>& next = text < at->text ? at->smaller : at->larger;
    if (!next) {
      // `at` is a plain local: what keeps it while make collects is the tree that `top` keeps.
      next = h.make<word>(text);
      return;
    }
    at = next;
  }
  ++at->count;
}

long private_dirty_kib() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("Private_Dirty:", 0) == 0) return std::stol(line.substr(14));
  }
  return -1;
}

}  // namespace

int main() {
  ramie::heap h;
  ramie::root<word> dictionary;
  std::uint64_t random = 1;
  for (int at = 0; at < 200'000; ++at) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    add(h, dictionary, std::to_string(random >> 47));
  }
  h.freeze();
  std::printf("parent: %zu words in %zu KiB\n", h.statistics().live_objects, h.statistics().used_bytes / 1024);
  std::fflush(stdout);
  for (int worker = 0; worker < 3; ++worker) {
    if (fork() != 0) continue;
    const long before = private_dirty_kib();
    for (int round = 0; round < 10; ++round) h.collect();
    std::printf("worker: ten collections wrote %ld KiB\n", private_dirty_kib() - before);
    std::fflush(stdout);
    _exit(h.verify().empty() ? 0 : 1);
  }
  int failed = 0;
  for (int status = 0; wait(&status) > 0;) failed += status != 0;
  return failed == 0 ? 0 : 1;
}
