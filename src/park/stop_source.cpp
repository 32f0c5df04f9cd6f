// Stop tokens for foreign code: one source for each scope in which a task has asked.
//
// A scope has four bytes for it that were padding, a thread has a table while any of its tasks has a token: tasks that
// never ask pay for none of it.
#include "park/park.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace ramie::inline v0::parking {
namespace {

struct source_table {
  std::vector<std::optional<std::stop_source>> places;
  std::vector<std::uint32_t> free;
  std::size_t used = 0;
};
[[gnu::tls_model("initial-exec")]] constinit thread_local source_table* table = nullptr;

// Is there a request that reaches what waits in it?
bool is_requested(const cancel_scope& in) noexcept {
  for (const cancel_scope* scope = &in; scope != nullptr; scope = scope->outer) {
    if (scope->requested) return true;
    if (scope->shields) return false;
  }
  return false;
}

std::uint32_t new_place() {
  if (table == nullptr) table = new source_table;
  if (table->free.empty()) {
    table->places.emplace_back();
    table->free.reserve(table->places.size());
    table->free.push_back(static_cast<std::uint32_t>(table->places.size()));
  }
  return table->free.back();
}

}  // namespace

std::stop_token stop_token_in(cancel_scope& scope) {
  if (scope.stop_place == 0) {
    const std::uint32_t place = new_place();
    table->places[place - 1].emplace();
    table->free.pop_back();
    ++table->used;
    scope.stop_place = place;
    if (is_requested(scope)) table->places[place - 1]->request_stop();
  }
  return table->places[scope.stop_place - 1]->get_token();
}

void tell_stop_tokens(const parked& task) noexcept {
  if (table == nullptr) return;
  for (const cancel_scope* scope = task.innermost; scope != nullptr && scope->owner == &task;
       scope = next_outwards(*scope)) {
    if (scope->stop_place == 0 || !is_requested(*scope)) continue;
    // A copy: what the callbacks do may move the table.
    std::stop_source one = *table->places[scope->stop_place - 1];
    one.request_stop();
  }
}

void forget_stop_token(cancel_scope& scope) noexcept {
  const std::uint32_t place = std::exchange(scope.stop_place, 0);
  table->places[place - 1].reset();
  table->free.push_back(place);  // there is room: each place was there once
  if (--table->used == 0) delete std::exchange(table, nullptr);
}

}  // namespace ramie::inline v0::parking
