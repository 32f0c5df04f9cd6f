// What generators do out of line: the refusals.
#include <ramie/generator.hpp>

#include <string>
#include <string_view>

namespace ramie::inline v0::control {

constinit generator_place nobodys_place;

void check_ended(const control_block* block) {
  if (block->word == context::ended) return;
  throw fiber_error(fiber_errc::no_value,
                    std::string("generator '") + name_of(block) +
                        "' brought no value: its body left by this_fiber::suspend() instead of yield()");
}

void check_rewindable(const control_block* block) {
  if (block == &nobody) throw fiber_error(fiber_errc::no_fiber, "cannot rewind: the generator is empty");
  if (block->word == context::running) {
    throw fiber_error(fiber_errc::already_resumed,
                      std::string("cannot rewind generator '") + name_of(block) + "': its body is running");
  }
}

void refuse_yield(const control_block* block, std::uint64_t id) {
  if (__atomic_load_n(&block->id, __ATOMIC_RELAXED) != id || block->word == context::ended ||
      block->word == context::created) {
    throw fiber_error(fiber_errc::iteration_over, "cannot yield: the iteration that this callback belongs to is over");
  }
  const std::string tried = std::string("cannot yield to generator '") + name_of(block) + "': ";
  if (__atomic_load_n(&block->home, __ATOMIC_RELAXED) != context::this_thread_words()) {
    throw fiber_error(fiber_errc::other_thread, tried + "it runs on another thread");
  }
  if (block->word == context::running) {
    throw fiber_error(fiber_errc::resuming_another, tried + "it waits for the fiber that calls; yield from its own");
  }
  throw fiber_error(fiber_errc::no_resumer, tried + "it waits to be asked; only its own body yields");
}

// "... [with Source = const std::vector<int>&]" of g++ 12, "[Source = const std::vector<int> &]" of clang.
void throw_empty(const char* asked, const char* function_with_type, const std::string& name) {
  std::string_view type = function_with_type;
  const auto begin = type.find("Source = ");
  if (begin != std::string_view::npos) type.remove_prefix(begin + std::string_view("Source = ").size());
  type = type.substr(0, type.find_first_of(";]"));
  std::string text = std::string("ramie::") + asked + ": nothing in " + std::string(type);
  if (!name.empty()) text += " '" + name + "'";
  throw std::invalid_argument(text);
}

}  // namespace ramie::inline v0::control
