// A fiber some frames deep, for those who walk stacks: backtrace(), an exception, gdb and perf (see frames_test.py).
//
//   frames walk     backtrace() must see the frames of the fiber and end at its first frame
//   frames busy     spins in a fiber for a while, for a profiler
#include <ramie/fiber.hpp>

#include <execinfo.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#if !defined(RAMIE_SWITCH_UCONTEXT)
extern "C" [[gnu::visibility("hidden")]] void ramie_first_frame();  // under every fiber; of the same static library
#endif

namespace {

int failures = 0;
void check(bool holds, const char* what) {
  if (holds) return;
  ++failures;
  std::printf("FAILED: %s\n", what);
}

void* frames[64];
int frame_count = 0;

}  // namespace

// Not static and never inlined: gdb and perf look for these names.
extern "C" {
[[gnu::noinline]] void stop_here(int depth) { asm volatile("" : : "r"(depth) : "memory"); }

[[gnu::noinline]] int innermost(int depth) {
  frame_count = backtrace(frames, 64);
  stop_here(depth);
  ramie::this_fiber::suspend();
  stop_here(-depth);
  if (depth == 7) throw std::string("thrown at the bottom");
  return depth;
}
[[gnu::noinline]] int inner(int depth) { return innermost(depth + 1) + 1; }
[[gnu::noinline]] int outer(int depth) { return inner(depth + 1) + 1; }

[[gnu::noinline]] std::uint64_t spin_in_fiber(std::uint64_t rounds) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < rounds; ++i) asm volatile("add %1, %0" : "+r"(sum) : "r"(i));
  return sum;
}
}

namespace {

// Whether a return address lies in the function, which is at most `bytes` long.
bool lies_in(void* address, std::uintptr_t function, std::uintptr_t bytes) {
  const auto place = reinterpret_cast<std::uintptr_t>(address);
  return place > function && place <= function + bytes;
}

void walk() {
  bool caught = false;
  ramie::fiber f([&] {
    outer(0);
    try {
      outer(5);
    } catch (const std::string& error) {
      caught = error == "thrown at the bottom";
    }
    throw std::string("lets out");
  });
  f.resume();
  check(frame_count >= 5 && frame_count < 20, "backtrace() in a fiber sees its frames and no others");
  int found = 0;
  for (int i = 0; i < frame_count; ++i) {
    found += lies_in(frames[i], reinterpret_cast<std::uintptr_t>(&innermost), 400) && found == 0;
    found += lies_in(frames[i], reinterpret_cast<std::uintptr_t>(&inner), 60) && found == 1;
    found += lies_in(frames[i], reinterpret_cast<std::uintptr_t>(&outer), 60) && found == 2;
  }
  check(found == 3, "innermost, inner and outer are seen, in this order");
#if !defined(RAMIE_SWITCH_UCONTEXT)
  check(lies_in(frames[frame_count - 1], reinterpret_cast<std::uintptr_t>(&ramie_first_frame), 64),
        "the last frame is the fiber's first");
#endif
  f.resume();
  try {
    f.resume();
    check(false, "the fiber ends by an exception");
  } catch (const std::string& error) {
    check(error == "lets out", "what escapes the fiber arrives at resume()");
  }
  check(caught, "an exception is caught some frames up in the fiber");
  frame_count = backtrace(frames, 64);
  check(frame_count >= 2 && frame_count < 10, "backtrace() in main afterwards");
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::strcmp(arguments[1], "busy") == 0) {
    ramie::fiber f([] { std::printf("%d\n", static_cast<int>(spin_in_fiber(400'000'000) & 1)); });
    f.resume();
    return 0;
  }
  walk();
  return failures == 0 ? 0 : 1;
}
