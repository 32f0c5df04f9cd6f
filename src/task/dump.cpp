// What all tasks are doing, as text.
#include "backtrace/collect.hpp"
#include "context/start.hpp"
#include "task/record.hpp"

#include <cstring>
#include <string>

namespace ramie::inline v0::tasking {
namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local const parking::cancel_scope* root_scope = nullptr;

void describe(const record& task, int depth, std::string& text) {
  text.append(static_cast<std::size_t>(depth) * 2, ' ');
  text += "task '" + std::string(task.name.text()) + "'";
  if (task.annotation != nullptr) text += " (" + *task.annotation + ")";
  text += task.waits_on != nullptr ? std::string(" waits for ") + task.waits_on->kind->name
                                   : std::string(" is ") + name_of(state_of(&task));
  if (task.site.file[0] != 0) {
    const char* slash = std::strrchr(task.site.file, '/');
    text += std::string(", spawned at ") + (slash == nullptr ? task.site.file : slash + 1) + ":" +
            std::to_string(task.site.line);
  }
  text += ", " + std::to_string(task.reductions) + " reductions, " + std::to_string(task.ticks) + " ms\n";
}

}  // namespace

void describe_tasks(const parking::cancel_scope& scope, int depth, std::string& text) {
  for (const parking::parked* child = scope.first_child; child != nullptr; child = child->next_sibling) {
    const auto& task = static_cast<const record&>(*child);
    describe(task, depth, text);
    for (const parking::cancel_scope* inner = task.innermost; inner != nullptr && inner->owner == &task;
         inner = inner->outer) {
      describe_tasks(*inner, depth + 1, text);
    }
  }
}

namespace {

void each_chain_in(const parking::cancel_scope& scope, void (*visit)(control::chain&, void*), void* argument) {
  for (parking::parked* child = scope.first_child; child != nullptr; child = child->next_sibling) {
    const auto& task = static_cast<const record&>(*child);
    if (child->chain.leaf != nullptr && task.home->running != child) visit(child->chain, argument);
    for (const parking::cancel_scope* inner = child->innermost; inner != nullptr && inner->owner == child;
         inner = inner->outer) {
      each_chain_in(*inner, visit, argument);
    }
  }
}

}  // namespace

void each_chain(void (*visit)(control::chain& parked, void* argument), void* argument) {
  if (root_scope != nullptr) each_chain_in(*root_scope, visit, argument);
}

void set_root_scope(const parking::cancel_scope* root) noexcept { root_scope = root; }

}  // namespace ramie::inline v0::tasking

namespace ramie {

std::string dump_tasks() {
  std::string text;
  if (tasking::root_scope != nullptr) tasking::describe_tasks(*tasking::root_scope, 0, text);
  return text;
}

}  // namespace ramie
