#include <ramie/channel.hpp>

namespace ramie::inline v0::sync {

using parking::waiter;

namespace {

template <parking::wait_list channel_core::*List>
bool withdraw(waiter& one) noexcept {
  auto& from = *static_cast<channel_core*>(one.object);
  std::lock_guard held(from.lock);
  return (from.*List).remove(one);
}

}  // namespace

const parking::wait_kind receive_wait = {"channel receive", &withdraw<&channel_core::receivers>};
const parking::wait_kind send_wait = {"channel send", &withdraw<&channel_core::senders>};

channel_core::~channel_core() {
  std::lock_guard held(lock);
  parking::check_deserted(receivers, "channel");
  parking::check_deserted(senders, "channel");
}

bool has_others(const parking::wait_list& list, const parking::selection& than) noexcept {
  for (const waiter* one = list.first(); one != nullptr; one = one->next) {
    if (one->choice != &than) return true;
  }
  return false;
}

}  // namespace ramie::inline v0::sync
