// What a plain fork() needs: lists that are whole, guards that hold in the child.
#pragma once

namespace ramie::inline v0::control {

// Once per process; later calls do nothing.
void register_fork_handlers();

void before_fork() noexcept;
void after_fork_parent() noexcept;
void after_fork_child() noexcept;

}  // namespace ramie::inline v0::control
