// Groundwork for a resolver: getaddrinfo() is offloaded with a deadline, and abandoned at it. It cannot be unblocked,
// so the call owns all that it touches, and who gives up leaves it behind; the pool bounds how many such there can be.
#include "offload/offload_world.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>

namespace ramie_test {
namespace {

using ramie::offload;
using ramie::scope;

struct addresses {
  int error = 0;
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> list{nullptr, &freeaddrinfo};
};
using lookup = std::function<addresses(const std::string& host, const std::string& port)>;

addresses ask_libc(const std::string& host, const std::string& port) {
  addresses found;
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;  // no packet leaves this machine
  addrinfo* list = nullptr;
  found.error = getaddrinfo(host.c_str(), port.c_str(), &wanted, &list);
  found.list.reset(list);
  return found;
}

// Shared by who asks and by who answers; whichever is last frees it.
struct request {
  std::string host, port;
  lookup ask;
  addresses answer;
  ramie::event answered;
};

// A scope that outlives the callers holds the tasks that wait for abandoned calls.
addresses resolve(scope& keeper, ramie::offload_pool& pool, const lookup& ask, std::string host, std::string port) {
  auto mine = std::make_shared<request>();
  mine->host = std::move(host);
  mine->port = std::move(port);
  mine->ask = ask;
  keeper.spawn([mine, &pool] {
    offload(pool, [mine] { mine->answer = mine->ask(mine->host, mine->port); });
    mine->answered.set();
  });
  mine->answered.wait();  // told to go here, the caller leaves; the call goes on with what it owns
  return std::move(mine->answer);
}

class resolve_test : public offload_world {};

TEST_F(resolve_test, an_address_is_found_while_others_run) {
  ramie::run([&](scope& s) {
    const addresses found = resolve(s, pool, &ask_libc, "127.0.0.1", "80");
    ASSERT_EQ(found.error, 0);
    ASSERT_NE(found.list, nullptr);
    EXPECT_EQ(found.list->ai_family, AF_INET);
    EXPECT_EQ(resolve(s, pool, &ask_libc, "::1", "80").list->ai_family, AF_INET6);
    EXPECT_EQ(resolve(s, pool, &ask_libc, "no address", "80").error, EAI_NONAME);
  });
}

TEST_F(resolve_test, one_that_hangs_is_abandoned_at_the_deadline_and_frees_what_it_owns_later) {
  std::atomic<bool> hangs = true;
  std::weak_ptr<int> owned;  // by the call
  ramie::run([&](scope& s) {
    auto token = std::make_shared<int>(1);
    owned = token;
    lookup hanging = [&hangs, token = std::move(token)](const std::string&, const std::string&) {
      while (hangs) std::this_thread::sleep_for(1ms);
      return addresses{};
    };
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_THROW(ramie::with_timeout(5ms, [&] { (void)resolve(s, pool, hanging, "slow", "80"); }), ramie::timed_out);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 30s);
    EXPECT_EQ(pool.statistics().running, 1U);  // still there
    // Another one is served by the second thread.
    EXPECT_EQ(resolve(s, pool, &ask_libc, "127.0.0.1", "80").error, 0);
    hanging = nullptr;
    EXPECT_FALSE(owned.expired());
    hangs = false;
  });
  EXPECT_TRUE(owned.expired());
  EXPECT_EQ(pool.statistics().done, 2U);
}

}  // namespace
}  // namespace ramie_test
