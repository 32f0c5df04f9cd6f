// A control group of the test's own, made and removed with the object, in either version of the file system.
#pragma once

#include <string>

namespace ramie::test {

class cgroup_box {
 public:
  // A group below `parent` (or below the root) of the tree that has `controller`; empty refused() when it was made.
  cgroup_box(const std::string& controller, const std::string& name, const cgroup_box* parent = nullptr);
  ~cgroup_box();
  cgroup_box(const cgroup_box&) = delete;
  cgroup_box& operator=(const cgroup_box&) = delete;

  const std::string& refused() const { return refused_; }
  bool unified() const { return unified_; }
  const std::string& directory() const { return directory_; }
  bool put(const std::string& file, const std::string& value) const;
  std::string get(const std::string& file) const;
  bool enter(int pid) const { return put("cgroup.procs", std::to_string(pid)); }

 private:
  std::string directory_;
  std::string refused_;
  bool unified_ = false;
  bool made_ = false;
};

}  // namespace ramie::test
