#include <ramie/channel.hpp>

namespace ramie::inline v0::sync {

using parking::waiter;

const parking::wait_kind receive_wait = {
    "channel receive", &parking::leave_list<channel_core, &channel_core::lock, &channel_core::receivers>};
const parking::wait_kind send_wait = {"channel send",
                                      &parking::leave_list<channel_core, &channel_core::lock, &channel_core::senders>};

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
