// A hundred requests to a service that allows a thousand a second, eight at a time, and that sometimes says no: turns,
// places, and a second try after a pause.
#include <ramie/channel.hpp>
#include <ramie/runtime.hpp>
#include <ramie/semaphore.hpp>
#include <ramie/throttle.hpp>

#include <iostream>

namespace {

using namespace std::chrono_literals;

// Stands in for a call over the network. Every tenth is refused the first time.
bool ask_service(int request, bool again) {
  ramie::this_task::sleep_for(3ms);
  return again || request % 10 != 0;
}

}  // namespace

int main() {
  ramie::throttle turns(1000, 1s, {.burst = 10});
  ramie::semaphore places(8);
  ramie::channel<int> refused(ramie::unbounded);
  int answered = 0;

  const auto ask = [&](int request, bool again) {
    turns.wait();
    ramie::permit one(places);
    if (ask_service(request, again)) {
      ++answered;
    } else {
      refused.send(request);
    }
  };
  ramie::run([&](ramie::scope& s) {
    for (int request = 0; request < 100; ++request) {
      s.spawn([&ask, request] { ask(request, false); }, {.name = "request"});
    }
    s.join();
    std::cout << answered << " answered, " << refused.size() << " to be asked again\n";
    refused.close();
    for (int request : refused) {
      s.spawn([&ask, request] { ask(request, true); }, {.name = "second try"});
    }
  });
  std::cout << answered << " answered\n";
  return answered == 100 ? 0 : 1;
}
