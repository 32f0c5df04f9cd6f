#include "fiber/chain.hpp"

#include "base/check.hpp"
#include "fiber/life.hpp"
#include "fiber/stack_watch.hpp"

#include <utility>

namespace ramie::inline v0::control {
namespace {

struct base_body {
  void (*body)(void*);
  void* argument;
};
constexpr closure_operations base_operations = {[](void* place) {
                                                  const base_body call = *static_cast<base_body*>(place);
                                                  call.body(call.argument);
                                                },
                                                [](void*) noexcept {}, []() noexcept { return "a task"; }};

}  // namespace

chain make_base(const fiber_options& options, const call_site& site, void (*body)(void*), void* argument) {
  const new_block made = allocate_block(options, site, &base_operations);
  ::new (made.closure) base_body{body, argument};
  std::uintptr_t sp = 0;
  try {
    sp = start(this_thread(), made.block);
  } catch (...) {
    discard_block(made.block);
    throw;
  }
  made.block->word = context::running;
  made.block->flags |= is_base;
  return {.leaf = made.block, .sp = sp};
}

void rename_base(control_block* base, label name, const call_site& site, local_values* locals) noexcept {
  cold_block& about = cold(base);
  about.name = name.text();
  about.file = site.file;
  about.line = site.line;
  if (about.locals != nullptr) drop_locals(base);
  about.locals = locals;
  __atomic_store_n(&base->id, next_id(*context::this_thread_words()), __ATOMIC_RELEASE);
}

void prepare_end(control_block* base, const control_block& loop) noexcept { base->resumer_sp = loop.resumer_sp; }

unsigned uncaught_in(const chain& of) noexcept {
  return (of.sp & context::tag_baggage) != 0 ? cold(of.leaf).uncaught : 0;
}

departed left_unusually(departed left, std::uintptr_t message) noexcept {
  thread_words& thread = *context::this_thread_words();
  if (message == context::attend) {
    left.sp |= context::tag_baggage;
    return left;
  }
  RAMIE_CHECK(message == context::finished || message == context::thread_exit);
  *thread.exceptions = context::exception_words{nullptr, 0};
  control_block* base = left.leaf;
  base->word = context::ended;
  reap(thread, base);
  release_ended(base);
  return {message == context::finished ? departure::ended : departure::thread_exit, 0, nullptr, 0};
}

void pack_chain(thread_words& thread, chain& leaving) noexcept {
  cold_block& about = cold(thread.current);
  about.caught = std::exchange(thread.exceptions->caught, nullptr);
  about.uncaught = std::exchange(thread.exceptions->uncaught, 0U);
  leaving.left = std::exchange(thread.left, nullptr);
}

std::uintptr_t unpack_chain(thread_words& thread, chain& coming) noexcept {
  note_run(thread, coming.leaf);
  cold_block& about = cold(coming.leaf);
  thread.exceptions->caught = std::exchange(about.caught, nullptr);
  thread.exceptions->uncaught = std::exchange(about.uncaught, 0U);
  thread.left = std::exchange(coming.left, nullptr);
  return coming.sp & ~std::uintptr_t{context::tag_mask};
}

}  // namespace ramie::inline v0::control
