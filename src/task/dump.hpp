// What all tasks of a thread are doing, as text: for dump_tasks(), for the report of a deadlock, for a signal.
#pragma once

#include "task/record.hpp"

#include <string>

namespace ramie::inline v0::tasking {

// A line for each task in and under `scope`, its stack below it; from a thousand tasks on, those that are alike once
// and counted. On the thread whose tasks they are. Throws std::bad_alloc.
std::string describe_tasks(const parking::cancel_scope& scope, const dump_options& options);

}  // namespace ramie::inline v0::tasking
