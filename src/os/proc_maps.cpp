#include "os/proc_maps.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

namespace ramie::os {
namespace {

// Reads one line of maps by hand: sscanf needs 1 us a line, this 0.05.
class line_reader {
 public:
  explicit line_reader(std::string_view line) : at_(line.data()), end_(line.data() + line.size()) {}

  bool hexadecimal(std::uint64_t& value) {
    value = 0;
    const char* first = at_;
    for (; at_ != end_; ++at_) {
      unsigned digit = static_cast<unsigned char>(*at_);
      if (digit >= '0' && digit <= '9')
        digit -= '0';
      else if (digit >= 'a' && digit <= 'f')
        digit -= 'a' - 10U;
      else
        break;
      value = value << 4 | digit;
    }
    return at_ != first;
  }
  bool skip(char wanted) { return at_ != end_ && *at_++ == wanted; }
  bool access(mapping& m) {
    if (end_ - at_ < 5 || at_[4] != ' ') return false;
    m.readable = at_[0] == 'r';
    m.writable = at_[1] == 'w';
    m.executable = at_[2] == 'x';
    m.shared = at_[3] == 's';
    at_ += 5;
    return true;
  }
  bool skip_word() {
    while (at_ != end_ && *at_ != ' ') ++at_;
    return skip(' ');
  }
  bool decimal_is_zero(bool& zero) {
    const char* first = at_;
    zero = true;
    for (; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_) zero = zero && *at_ == '0';
    return at_ != first;
  }
  std::string_view rest() {
    while (at_ != end_ && *at_ == ' ') ++at_;
    return {at_, static_cast<std::size_t>(end_ - at_)};
  }

 private:
  const char* at_;
  const char* end_;
};

class name_table {
 public:
  explicit name_table(std::vector<std::string>& names) : names_(names) {}
  std::uint32_t number(std::string_view name) {
    if (name.empty()) return 0;
    if (names_[last_] == name) return last_;
    auto [place, added] = numbers_.try_emplace(std::string(name), static_cast<std::uint32_t>(names_.size()));
    if (added) names_.emplace_back(name);
    return last_ = place->second;
  }

 private:
  std::vector<std::string>& names_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::uint32_t last_ = 0;
};

bool parse_head(std::string_view line, mapping& m, name_table& names) {
  line_reader reader(line);
  bool no_inode = true;
  if (!reader.hexadecimal(m.start) || !reader.skip('-') || !reader.hexadecimal(m.end) || !reader.skip(' ') ||
      !reader.access(m) || !reader.hexadecimal(m.offset) || !reader.skip(' ') || !reader.skip_word() ||
      !reader.decimal_is_zero(no_inode) || m.end < m.start) {
    return false;
  }
  m.has_file = !no_inode;
  m.name = names.number(reader.rest());
  return true;
}

// "Rss:                 12 kB": the first letters decide, in the order in which the kernel writes them.
std::uint64_t* field_of(mapping_detail& detail, std::string_view key) {
  if (key == "Rss") return &detail.resident;
  if (key == "Pss") return &detail.proportional;
  if (key == "Shared_Clean") return &detail.shared_clean;
  if (key == "Shared_Dirty") return &detail.shared_dirty;
  if (key == "Private_Clean") return &detail.private_clean;
  if (key == "Private_Dirty") return &detail.private_dirty;
  if (key == "Anonymous") return &detail.anonymous;
  if (key == "AnonHugePages") return &detail.anonymous_huge;
  if (key == "Swap") return &detail.swapped;
  if (key == "Locked") return &detail.locked;
  return nullptr;
}

template <typename Line>
void for_each_line(std::string_view text, Line&& take) {
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    const void* found = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
    const char* stop = found == nullptr ? end : static_cast<const char*>(found);
    take(std::string_view(at, static_cast<std::size_t>(stop - at)));
    at = stop + 1;
  }
}

template <auto Parse>
mapping_list read_with(const proc_root& root, int pid, std::string_view file) {
  file_text read = read_text(root.of_process(pid, file));
  mapping_list list = Parse(std::move(read.text));
  list.error = read.error;
  return list;
}

}  // namespace

bool mapping_detail::flag(std::string_view two_letters) const {
  for (std::size_t at = 0; at + 1 < flags.size(); at += 3) {
    if (flags[at] == two_letters[0] && flags[at + 1] == two_letters[1]) return true;
  }
  return false;
}

mapping_list parse_maps(std::string_view text) {
  mapping_list list;
  name_table names(list.names);
  list.mappings.reserve(text.size() / 48);
  for_each_line(text, [&](std::string_view line) {
    mapping m;
    if (parse_head(line, m, names))
      list.mappings.push_back(m);
    else if (!line.empty())
      ++list.unreadable_lines;
  });
  return list;
}

mapping_list parse_smaps(std::string text) {
  mapping_list list;
  list.text = std::move(text);
  name_table names(list.names);
  for_each_line(list.text, [&](std::string_view line) {
    std::size_t colon = line.find(':');
    bool is_field = !line.empty() && line[0] >= 'A' && line[0] <= 'Z' && colon != std::string_view::npos;
    if (!is_field) {
      mapping m;
      if (!parse_head(line, m, names)) {
        list.unreadable_lines += !line.empty();
        return;
      }
      list.mappings.push_back(m);
      list.details.emplace_back();
    } else if (!list.details.empty()) {
      std::string_view key = line.substr(0, colon);
      if (key == "VmFlags") {
        std::string_view flags = line.substr(colon + 1);
        flags.remove_prefix(std::min(flags.find_first_not_of(' '), flags.size()));
        list.details.back().flags = flags;
      } else if (std::uint64_t* field = field_of(list.details.back(), key)) {
        *field = number_in(line.substr(colon + 1)) * 1024;
      }
    }
  });
  return list;
}

mapping_list read_maps(const proc_root& root, int pid) { return read_with<parse_maps>(root, pid, "maps"); }
mapping_list read_smaps(const proc_root& root, int pid) { return read_with<parse_smaps>(root, pid, "smaps"); }

}  // namespace ramie::os
