// A StackAllocator for Boost: one line turns unguarded or refused stacks into guarded ones, a million if need be.
//
// Status: stable.
//
//     boost::context::fiber f(std::allocator_arg, ramie::boost_stack(), [](boost::context::fiber&& from) { ... });
//     boost::fibers::fiber(std::allocator_arg, ramie::boost_stack(32 << 10, "worker"), work).join();
//     boost::coroutines2::coroutine<int>::pull_type numbers(ramie::boost_stack(), produce);
//     boost::asio::spawn(executor, std::allocator_arg, ramie::boost_stack(), session, boost::asio::detached);
//
// Boost's own protected_fixedsize_stack takes two mappings for each and stops near 32,000 of them, or goes on without
// its guards when NDEBUG is defined (examples/18_boost_at_the_limit); its other allocators have none. This one throws
// ramie::stack_error, which says what to change, when the system will not give a guarded stack.
//
// Header only, over ramie::fiber's library. Written for Boost 1.81; needs nothing that 1.70 lacks but Asio's overload.
// Any thread may allocate and any other may deallocate. No reference counts, no state: copies are free.
#pragma once

#include <ramie/guarded_stack.hpp>

#include <boost/context/stack_context.hpp>
#include <boost/context/stack_traits.hpp>

namespace ramie {
inline namespace v0 {

class boost_stack : private stack_source {
 public:
  using traits_type = boost::context::stack_traits;

  // 8 KiB to 128 MiB, 0: 64 KiB (Boost's own default is 128). Throws stack_error for another size.
  explicit boost_stack(std::size_t stack_bytes = 0, label name = {})
      : stack_source({.stack_bytes = stack_bytes, .name = name}, lending::title::boost_stack) {}

  [[nodiscard]] boost::context::stack_context allocate() const {
    const guarded_stack taken = acquire();
    boost::context::stack_context context;
    context.sp = taken.top;
    context.size = taken.usable_bytes;
    return context;
  }

  void deallocate(boost::context::stack_context& context) const noexcept {
    release({context.sp, context.size});
    context.sp = nullptr;
  }
};

}  // namespace v0
}  // namespace ramie
