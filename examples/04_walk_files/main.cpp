// The three largest files of a folder: nftw(), which calls back for each file, as a range.
//
//     example.04_walk_files [FOLDER]
#include <ramie/generator.hpp>

#include <ftw.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

struct file {
  std::string path;
  long bytes = 0;
};

// nftw() gives its callback no pointer of ours. A fiber_local is found by whoever runs on the generator's fiber, so two
// walks can go on at the same time.
using yield_type = ramie::pusher<file>;
ramie::fiber_local<yield_type*> current_walk(nullptr);

int visit(const char* path, const struct stat* about, int kind, FTW*) {
  if (kind != FTW_F) return 0;
  // Not 0 stops nftw(), which then closes its directories: better than unwinding it.
  return current_walk.get()->wants_more(file{path, static_cast<long>(about->st_size)}) ? 0 : 1;
}

ramie::generator<file> files_below(std::string folder) {
  return ramie::generator<file>([folder = std::move(folder)](yield_type& yield) {
    current_walk = &yield;
    nftw(folder.c_str(), &visit, 16, FTW_PHYS);
  });
}

long open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

// Without an argument: a folder of our own making.
std::string make_folder() {
  char name[] = "/tmp/ramie-walk-XXXXXX";
  const std::string folder = mkdtemp(name);
  for (int depth = 0; depth < 4; ++depth) {
    const std::string inner = folder + "/" + std::string(static_cast<std::size_t>(depth), 'd');
    std::filesystem::create_directories(inner);
    for (int i = 0; i < 5; ++i) {
      std::ofstream(inner + "/file" + std::to_string(i)) << std::string(static_cast<std::size_t>(depth * 10 + i), '.');
    }
  }
  return folder;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string folder = count > 1 ? arguments[1] : make_folder();
  std::vector<file> all;
  for (file&& one : files_below(folder)) all.push_back(std::move(one));
  std::ranges::sort(all, std::ranges::greater(), &file::bytes);
  for (std::size_t i = 0; i < std::min<std::size_t>(all.size(), 3); ++i) {
    std::printf("%8ld %s\n", all[i].bytes, all[i].path.c_str());
  }

  // Asked for one file and dropped: nftw() is told to stop, and has closed what it had opened.
  const long before = open_descriptors();
  for (int i = 0; i < 100; ++i) static_cast<void>(files_below(folder).next());
  std::printf("%zu files; descriptors left open by 100 walks that were dropped: %ld\n", all.size(),
              open_descriptors() - before);
  const bool fine = open_descriptors() == before && !all.empty();
  if (count == 1) std::filesystem::remove_all(folder);
  return fine ? 0 : 1;
}
