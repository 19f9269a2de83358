// Random operations on a manual clock, made by the real service and by the reference model, which have to agree on
// everything that can be seen (tests/reference).
//
// Two drivers: dice, whose seeds go through all start offsets, and rapidcheck, which knows the model's state and makes
// a failing sequence smaller by itself. DETENT_SEED=n runs one seed of the first; DETENT_REFERENCE_SECONDS=n runs it
// for a time. The fuzzer is tests/fuzz. Counterexamples are printed as tests to be pasted in here.
#include "reference/comparison.hpp"
#include "reference/ledger.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace reference;

bool agree(std::uint64_t seed, int operations) {
  comparison both(start_of(seed), seed);
  dice d(seed);
  for (int i = 0; i < operations; ++i) {
    if (both.play(draw(d, both.model()))) continue;
    ADD_FAILURE() << "DETENT_SEED=" << seed << ": " << tell(both);
    return false;
  }
  return true;
}

TEST(Reference, TheServiceDoesWhatTheModelSays) {
  if (const char* text = std::getenv("DETENT_SEED")) {
    EXPECT_TRUE(agree(std::strtoull(text, nullptr, 10), 400));
    return;
  }
  if (const char* text = std::getenv("DETENT_REFERENCE_SECONDS")) {
    const auto from = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(std::strtoll(text, nullptr, 10));
    const std::string seeds = "dice " + std::to_string(from);
    ledger book(seeds.c_str());
    for (std::uint64_t seed = from; std::chrono::steady_clock::now() < until; ++seed) {
      if (agree(seed, 400)) continue;
      book.note_difference();
      break;
    }
    return;
  }
  // A prime step through all start offsets, so that few seeds meet many of them.
  for (std::uint64_t i = 0; i < 300; ++i) ASSERT_TRUE(agree(1 + i * 587, 400));
}

// Every start there is, with few operations each.
TEST(Reference, EveryStartOffset) {
  for (std::uint64_t start = 0; start < start_count; ++start) ASSERT_TRUE(agree(start, 40));
}

}  // namespace
