// doctor-fuzz MODE COUNT [SEED] [--set-mode]: COUNT random layouts judged and really forked in overcommit mode MODE;
// one line. Exit 0 when every verdict was right.
//
// Static, so that it also runs in a guest that has nothing else. --set-mode writes vm.overcommit_memory and puts it
// back: for guests only, since it changes what the whole machine may allocate.
#include "diagnose/fuzz.hpp"
#include "os/proc_machine.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

bool write_mode(int mode) {
  std::FILE* file = std::fopen("/proc/sys/vm/overcommit_memory", "w");
  if (file == nullptr) return false;
  std::fprintf(file, "%d\n", mode);
  return std::fclose(file) == 0;
}

}  // namespace

int main(int count, char** arguments) {
  bool set = count > 3 && std::strcmp(arguments[count - 1], "--set-mode") == 0;
  count -= set;
  if (count < 3 || count > 4) {
    std::fprintf(stderr, "usage: doctor-fuzz MODE COUNT [SEED] [--set-mode]\n");
    return 2;
  }
  int mode = std::atoi(arguments[1]);
  int before = ramie::os::read_machine({}).overcommit_mode;
  if (mode != before && (!set || !write_mode(mode))) {
    std::printf("skipped: doctor-fuzz: vm.overcommit_memory is %d here and not %d\n", before, mode);
    return 77;
  }
  auto seed =
      count == 4 ? std::strtoull(arguments[3], nullptr, 10) : static_cast<unsigned long long>(std::time(nullptr));
  ramie::test::fuzz_result result = ramie::test::fuzz_forks(static_cast<unsigned>(std::atoi(arguments[2])), seed);
  if (mode != before) write_mode(before);
  std::printf("%s\n", result.summary(mode, seed).c_str());
  if (!result.first_wrong.empty()) std::printf("first wrong: %s\n", result.first_wrong.c_str());
  return result.all_right() ? 0 : 1;
}
