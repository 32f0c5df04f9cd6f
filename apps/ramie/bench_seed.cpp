#include "bench_seed.hpp"

namespace ramie::app {
namespace {

constexpr seed_row resume_rows[] = {
    {1, 10998609.17},     {2, 12239077.16},    {4, 12930013.16},     {8, 12678091.91},     {16, 12578625.99},
    {32, 12598729.93},    {64, 12597254.54},   {128, 12643086.20},   {256, 12116891.53},   {512, 10654248.57},
    {1024, 9865286.58},   {2048, 9644781.53},  {4096, 9455585.41},   {8192, 9070485.29},   {16384, 5054997.19},
    {32768, 3189286.37},  {65536, 2949265.02}, {131072, 2951698.03}, {262144, 2910388.50}, {524288, 2915666.38},
    {1048576, 2917077.46}};
constexpr seed_row transfer_rows_265[] = {{100, 3357675.17}, {1000, 2455537.06}, {10000, 954251.17}};
constexpr seed_row transfer_rows_271[] = {{100, 3443916.97}, {1000, 2333315.39}, {10000, 916772.10}};

}  // namespace

std::span<const seed_row> seed_resume_rows() { return resume_rows; }
std::span<const seed_row> seed_transfer_rows_265() { return transfer_rows_265; }
std::span<const seed_row> seed_transfer_rows_271() { return transfer_rows_271; }

double seed_rate(std::span<const seed_row> rows, std::uint64_t fibers) {
  for (const seed_row& row : rows) {
    if (row.fibers == fibers) return row.per_second;
  }
  return -1;
}

}  // namespace ramie::app
