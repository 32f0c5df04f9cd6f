#include "base/lasting.hpp"

#include <ramie/error.hpp>

namespace ramie {
namespace {

class fiber_error_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ramie.fiber"; }
  std::string message(int value) const override {
    switch (static_cast<fiber_errc>(value)) {
      case fiber_errc::terminated:
        return "the fiber has ended";
      case fiber_errc::resumes_itself:
        return "a fiber cannot resume itself";
      case fiber_errc::already_resumed:
        return "the fiber is resumed already";
      case fiber_errc::resuming_another:
        return "the fiber is resuming another one";
      case fiber_errc::transferred_away:
        return "the fiber left by transfer and only transfer brings it back";
      case fiber_errc::not_started:
        return "the fiber has not started";
      case fiber_errc::other_thread:
        return "the fiber belongs to another thread";
      case fiber_errc::no_resumer:
        return "nobody resumed this fiber, so it cannot suspend";
      case fiber_errc::base_of_task:
        return "a task's own fiber cannot suspend; use this_task::yield()";
      case fiber_errc::left_behind:
        return "the fiber was left behind in the process that forked";
      case fiber_errc::awaits_resume:
        return "the fiber left by suspend and only resume brings it back";
      case fiber_errc::no_fiber:
        return "the handle is empty";
      case fiber_errc::iteration_over:
        return "the coroutine has ended";
      case fiber_errc::no_value:
        return "this step of the coroutine brought no value";
    }
    return "unknown fiber error " + std::to_string(value);
  }
};

}  // namespace

namespace {
constinit const lasting<fiber_error_category> category;
}

const std::error_category& fiber_category() noexcept { return *category; }

}  // namespace ramie
