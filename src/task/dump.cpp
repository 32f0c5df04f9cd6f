#include "task/dump.hpp"

#include "backtrace/frame_names.hpp"
#include "base/fixed_text.hpp"
#include "task/frame_filter.hpp"
#include "task/parked_frames.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ramie::inline v0::tasking {
namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local const parking::cancel_scope* root_scope = nullptr;

// From so many tasks on, those that are alike are shown once.
constexpr std::size_t tasks_shown_each = 1000;
// Frames of ours around what a reader looks for: collected beyond what was asked for, and left out again.
constexpr std::size_t frames_of_ours = 12;

// Visits all tasks in and under the scope, parents first. Without recursion: it is called on tasks' stacks.
template <class F>
void each_task(const parking::cancel_scope& all, const F& visit) {
  const parking::cancel_scope* scope = &all;
  parking::parked* child = scope->first_child;
  for (int depth = 0;;) {
    if (child != nullptr) {
      visit(static_cast<record&>(*child), depth++);
      scope = child->innermost;
      child = scope->first_child;
    } else if (scope == &all) {
      return;
    } else if (parking::is_block(*scope)) {
      scope = parking::next_outwards(*scope);
      child = scope->first_child;
    } else {
      child = scope->owner->next_sibling;
      scope = scope->outer;
      --depth;
    }
  }
}

// How long it has waited, to a few milliseconds, of a count that wraps after 49 days.
std::uint32_t waits_for_ms(const record& task) noexcept {
  return static_cast<std::uint32_t>(task.home->now_ns() / 1'000'000) - task.parked_at_ms;
}

std::string counted(std::uint64_t number) {
  std::array<char, 32> memory;
  fixed_text text(memory);
  text.add_count(number);
  return std::string(text.view());
}

void describe(const record& task, std::string& text) {
  text += "task '" + std::string(task.name.text()) + "'";
  if (task.annotation != nullptr) text += " (" + *task.annotation + ")";
  if (task.waits_on != nullptr) {
    text += std::string(" waits for ") + task.waits_on->kind->name + " since " + counted(waits_for_ms(task)) + " ms";
  } else {
    text += std::string(" is ") + name_of(state_of(&task));
  }
  if (task.site.file[0] != 0) {
    const char* slash = std::strrchr(task.site.file, '/');
    text += std::string(", spawned at ") + (slash == nullptr ? task.site.file : slash + 1) + ":" +
            std::to_string(task.site.line);
  }
  text += ", " + std::to_string(task.reductions) + " reductions, " + std::to_string(task.ticks) + " ms\n";
}

// A task as it will be shown, for itself and for others that are as it is.
struct seen_task {
  const record* first;
  int depth;
  std::vector<stack_part> stack;
  std::uint64_t alike = 1;
};

// Equal for tasks that were spawned at one place and wait for one thing at one place.
std::string likeness(const record& task, const std::vector<stack_part>& stack) {
  std::string key;
  const auto add = [&](const auto& word) { key.append(reinterpret_cast<const char*>(&word), sizeof(word)); };
  const void* kind = task.waits_on != nullptr ? task.waits_on->kind : nullptr;
  add(kind);
  add(task.name.text());
  add(task.site.file);
  add(task.site.line);
  for (const stack_part& part : stack) {
    add(part.more);
    for (const backtrace::frame& at : part.frames) add(at.pc);
  }
  return key;
}

void describe_stack(const seen_task& task, const backtrace::frame_names& names, std::size_t frames_most,
                    std::string& text) {
  const std::string margin(static_cast<std::size_t>(task.depth) * 2, ' ');
  std::size_t number = 0;
  for (const stack_part& part : task.stack) {
    if (&part != &task.stack.front()) text += margin + "    in " + control::fiber_title(part.fiber).text + ":\n";
    const auto frames = without_ours(part.frames, part.more == 0, names);
    const std::size_t shown = std::min(frames.size(), frames_most);
    for (const backtrace::frame& at : frames.first(shown)) {
      const std::string place = std::to_string(number++);
      text += margin;
      text.append(place.size() < 5 ? 5 - place.size() : 0, ' ').append(place).append("  ");
      names.append(text, at);
      text += '\n';
    }
    const std::uint64_t more = part.more + frames.size() - shown;
    if (more != 0) text += margin + "       ... " + counted(more) + " more frames\n";
  }
}

std::size_t frames_shown(const dump_options& options) noexcept {
  return std::min(options.frames_most, backtrace::trace::newest_limit - frames_of_ours);
}

std::vector<seen_task> look_at_all(const parking::cancel_scope& scope, const dump_options& options) {
  std::size_t count = 0;
  each_task(scope, [&](record&, int) { ++count; });
  const bool folds = count > tasks_shown_each;
  std::vector<seen_task> all;
  std::unordered_map<std::string, std::size_t> places;
  each_task(scope, [&](record& task, int depth) {
    std::vector<stack_part> stack;
    if (options.stacks) stack = frames_of(task, frames_shown(options) + frames_of_ours);
    if (folds) {
      const auto [place, is_new] = places.try_emplace(likeness(task, stack), all.size());
      if (!is_new) {
        ++all[place->second].alike;
        return;
      }
    }
    all.push_back({&task, depth, std::move(stack)});
  });
  return all;
}

}  // namespace

std::string describe_tasks(const parking::cancel_scope& scope, const dump_options& options) {
  const std::vector<seen_task> all = look_at_all(scope, options);
  backtrace::frame_names names;
  std::vector<backtrace::frame> frames;
  for (const seen_task& task : all) {
    for (const stack_part& part : task.stack) frames.insert(frames.end(), part.frames.begin(), part.frames.end());
  }
  names.learn(frames);
  std::string text;
  for (const seen_task& task : all) {
    const std::string margin(static_cast<std::size_t>(task.depth) * 2, ' ');
    text += margin;
    if (task.alike > 1) text += counted(task.alike) + " tasks like this: ";
    describe(*task.first, text);
    describe_stack(task, names, frames_shown(options), text);
  }
  return text;
}

void each_chain(void (*visit)(control::chain& parked, void* argument), void* argument) {
  if (root_scope == nullptr) return;
  each_task(*root_scope, [&](record& task, int) {
    if (task.chain.leaf != nullptr && task.home->running != &task) visit(task.chain, argument);
  });
}

void set_root_scope(const parking::cancel_scope* root) noexcept { root_scope = root; }

}  // namespace ramie::inline v0::tasking

namespace ramie {

std::string dump_tasks(const dump_options& options) {
  return tasking::root_scope == nullptr ? std::string() : tasking::describe_tasks(*tasking::root_scope, options);
}

}  // namespace ramie
