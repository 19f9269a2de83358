// Goal: a broken invariant ends the process with its sentence; a kept one costs nothing to say.
#include "base/base.hpp"

#include <gtest/gtest.h>

namespace {

TEST(check, a_kept_invariant_passes) { DETENT_CHECK(1 + 1 == 2, "arithmetic is broken"); }

TEST(check_death_test, a_broken_one_says_which) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(DETENT_CHECK(1 + 1 == 3, "arithmetic is broken"), "arithmetic is broken");
}

}  // namespace
