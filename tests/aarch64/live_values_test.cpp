// Values of every class that live over a switch are the same after it: integers, vectors, predicates, and frames that
// a compiler addresses by a base register. A plain program: it is built by both compilers with many flags.
#include <ramie/fiber.hpp>

#include <alloca.h>

#include <cstdint>
#include <cstdio>

#if defined(__ARM_FEATURE_SVE)
#include <arm_sve.h>
#endif

namespace {

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

constexpr int value_count = 24;
constexpr int frame_bytes = 27;

// The registers that are a caller's to keep are what a switch must not rely on.
[[gnu::noinline]] void overwrite_vectors() {
  asm volatile(
      "movi v0.2d, #0\n\t movi v7.2d, #0\n\t movi v8.2d, #0\n\t movi v15.2d, #0\n\t movi v16.2d, #0\n\t movi v31.2d, #0"
      :
      :
      : "v0", "v7", "v8", "v15", "v16", "v31");
}

[[gnu::noinline]] std::int64_t sum_of(const char* bytes, std::int64_t count) {
  std::int64_t sum = 0;
  for (std::int64_t at = 0; at < count; ++at) sum += bytes[at];
  return sum;
}

struct by_resume {
  fiber& other;
  [[gnu::always_inline]] void operator()() const { other.resume(); }
};
struct by_transfer {
  fiber& other;
  [[gnu::always_inline]] void operator()() const { other.transfer(); }
};
struct by_suspend {
  [[gnu::always_inline]] void operator()() const { this_fiber::suspend(); }
};

// More integers and doubles than there are registers, an over-aligned array and one of variable size: what makes clang
// keep its frame in x19.
template <class Leave>
[[gnu::noinline]] bool scalars_survive(const Leave& leave, std::int64_t base) {
  std::int64_t values[value_count];
  double doubles[value_count];
  for (int i = 0; i < value_count; ++i) {
    values[i] = base * (i + 1);
    doubles[i] = static_cast<double>(base) / (i + 1);
    asm volatile("" : "+r"(values[i]), "+w"(doubles[i]));
  }
  alignas(64) char aligned[64];
  const std::int64_t bytes = frame_bytes + base % 3;
  auto* dynamic = static_cast<char*>(alloca(static_cast<std::size_t>(bytes)));
  for (char& byte : aligned) byte = 1;
  for (std::int64_t i = 0; i < bytes; ++i) dynamic[i] = 2;
  asm volatile("" : : "r"(aligned), "r"(dynamic) : "memory");
  leave();
  overwrite_vectors();
  bool good = (reinterpret_cast<std::uintptr_t>(aligned) & 63) == 0;
  good &= sum_of(aligned, 64) == 64 && sum_of(dynamic, bytes) == 2 * bytes;
  for (int i = 0; i < value_count; ++i) {
    good &= values[i] == base * (i + 1) && doubles[i] == static_cast<double>(base) / (i + 1);
  }
  return good;
}

#if defined(__ARM_FEATURE_SVE)
template <class Leave>
[[gnu::noinline]] bool vectors_survive(const Leave& leave, std::int64_t base) {
  const svbool_t all = svptrue_b64(), some = svwhilelt_b64(std::int64_t{0}, base % 3 + 1);
  svint64_t a = svindex_s64(base, 1), b = svindex_s64(base, 2), c = svindex_s64(base, 3);
  svfloat64_t d = svdup_f64(static_cast<double>(base));
  leave();
  svbool_t other = svpfalse();
  asm volatile("" : "+Upa"(other));
  bool good = !svptest_any(all, svcmpne(all, a, svindex_s64(base, 1)));
  good &= !svptest_any(all, svcmpne(all, b, svindex_s64(base, 2)));
  good &= !svptest_any(all, svcmpne(all, c, svindex_s64(base, 3)));
  good &= !svptest_any(all, svcmpne(all, d, svdup_f64(static_cast<double>(base))));
  return good && svcntp_b64(all, some) == svcntp_b64(all, svwhilelt_b64(std::int64_t{0}, base % 3 + 1));
}
#else
template <class Leave>
bool vectors_survive(const Leave&, std::int64_t) {
  return true;
}
#endif

int failures = 0;
template <class Leave>
void check(const char* how, const Leave& leave, std::int64_t base) {
  const bool scalars = scalars_survive(leave, base), vectors = vectors_survive(leave, base);
  if (scalars && vectors) return;
  ++failures;
  std::printf("FAILED: over %s, base %lld: %s\n", how, static_cast<long long>(base), scalars ? "vectors" : "scalars");
}

}  // namespace

int main() {
  constexpr int rounds = 50;
  {
    fiber leaf([] {
      for (std::int64_t i = 1;; ++i) check("suspend", by_suspend{}, 1000 + i);
    });
    for (std::int64_t i = 1; i <= rounds; ++i) check("resume", by_resume{leaf}, i);
  }
  fiber* partner = nullptr;
  fiber one([&] {
    for (std::int64_t i = 1; i <= rounds; ++i) check("transfer", by_transfer{*partner}, i);
  });
  fiber other([&] {
    for (std::int64_t i = 1; i <= 2 * rounds; ++i) check("transfer back", by_transfer{one}, 1000 + i);
  });
  partner = &other;
  one.transfer();
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
