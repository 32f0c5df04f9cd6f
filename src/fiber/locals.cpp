// fiber_local's values: a short list in each fiber that has any, searched by key.
#include "fiber/chain.hpp"
#include "fiber/life.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

namespace ramie::inline v0::control {

struct local_value {
  std::uint64_t key;
  void* value;
  const this_fiber::local_operations* operations;
};

struct local_values {
  std::vector<local_value> list;
  local_values() = default;
  local_values(const local_values&) = delete;
  local_values& operator=(const local_values&) = delete;
  ~local_values() {
    for (auto one = list.rbegin(); one != list.rend(); ++one) one->operations->destroy(one->value);
  }
};

void drop_locals(control_block* fiber) noexcept { delete std::exchange(cold(fiber).locals, nullptr); }

void drop(local_values* locals) noexcept { delete locals; }

local_values* copy_locals() {
  const local_values* mine = cold(self_block()).locals;
  if (mine == nullptr) return nullptr;
  auto copies = std::make_unique<local_values>();
  copies->list.reserve(mine->list.size());
  for (const local_value& one : mine->list) {
    copies->list.push_back({one.key, one.operations->copy(one.value), one.operations});
  }
  return copies.release();
}

}  // namespace ramie::inline v0::control

namespace ramie::this_fiber {

using control::cold;

void* find_local(std::uint64_t key) noexcept {
  const control::local_values* mine = cold(control::self_block()).locals;
  if (mine == nullptr) return nullptr;
  for (const control::local_value& one : mine->list) {
    if (one.key == key) return one.value;
  }
  return nullptr;
}

void add_local(std::uint64_t key, void* value, const local_operations* operations) {
  auto& mine = cold(control::self_block()).locals;
  if (mine == nullptr) mine = new control::local_values;
  mine->list.push_back({key, value, operations});
}

void remove_local(std::uint64_t key) noexcept {
  control::local_values* mine = cold(control::self_block()).locals;
  if (mine == nullptr) return;
  auto place = std::find_if(mine->list.begin(), mine->list.end(), [&](const auto& one) { return one.key == key; });
  if (place == mine->list.end()) return;
  const control::local_value gone = *place;
  mine->list.erase(place);
  gone.operations->destroy(gone.value);
}

std::uint64_t new_local_key() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace ramie::this_fiber
