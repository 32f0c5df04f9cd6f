// What the programs of the cases about tasks share: words in the order in which things happened, and a clock that goes
// on only when all wait.
#pragma once

#include "task/task_world.hpp"

#include <vector>

namespace cases {

using namespace std::chrono_literals;
using ramie::scope;
using ramie::task;
using ramie::task_state;
namespace this_task = ramie::this_task;

using ramie_test::error_named;
using ramie_test::fake_time;
using ramie_test::settle;
using ramie_test::text_of;
using ramie_test::words;
using numbers = std::vector<int>;

}  // namespace cases
