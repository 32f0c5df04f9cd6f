#include "diagnose/cgroup_box.hpp"

#include "os/procfs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ramie::test {
namespace {

bool write_file(const std::string& path, const std::string& value) {
  int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  bool written = write(descriptor, value.data(), value.size()) == static_cast<ssize_t>(value.size());
  close(descriptor);
  return written;
}

}  // namespace

cgroup_box::cgroup_box(const std::string& controller, const std::string& name, const cgroup_box* parent) {
  std::string root = "/sys/fs/cgroup/" + controller;
  if (!os::directory_exists(root)) {
    root = "/sys/fs/cgroup";
    unified_ = true;
  }
  std::string above = parent != nullptr ? parent->directory_ : root;
  if (unified_ && !write_file(above + "/cgroup.subtree_control", "+" + controller)) {
    refused_ = "no " + controller + " controller: " + std::strerror(errno);
    return;
  }
  directory_ = above + "/" + name + "-" + std::to_string(getpid());
  made_ = mkdir(directory_.c_str(), 0755) == 0;
  if (!made_) refused_ = "mkdir " + directory_ + ": " + std::strerror(errno);
}

cgroup_box::~cgroup_box() {
  if (!made_) return;
  // A killed member leaves the group a moment after it is gone.
  for (int tries = 0; rmdir(directory_.c_str()) != 0 && errno == EBUSY && tries != 200; ++tries) usleep(10000);
}

bool cgroup_box::put(const std::string& file, const std::string& value) const {
  return write_file(directory_ + "/" + file, value);
}
std::string cgroup_box::get(const std::string& file) const { return os::read_text(directory_ + "/" + file).text; }

}  // namespace ramie::test
