// Goal: an index never moves, is reused last-in-first-out, and its generation tells tenants apart; a saturated one
// retires. Method: small parts; saturation is reached by starting a generation near its end through many retirements of
// one index in a registry whose limit is small (the template is the same code).
#define DETENT_GENERATION_MAX 5
#include "registry/registry.hpp"

#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

struct hot {
  std::uint64_t word = 17;
};
struct cold : detent::detail::registry_slot {
  std::uint32_t word = 23;
};
struct link {
  std::uint32_t word = 0;
};
struct rare {
  std::uint32_t word;
};
using test_registry = detent::detail::registry<hot, cold, link, rare>;
using detent::detail::lock_guard;

std::uint32_t generation_of(test_registry& r, std::uint32_t index) {
  lock_guard guard(r.lock_of(index));
  return r.generation(index);
}

void end(test_registry& r, std::uint32_t index, std::size_t kind = 0) {
  {
    lock_guard guard(r.lock_of(index));
    r.retire(index);
  }
  r.give_back(index, kind);
}

TEST(registry, parts_are_constructed_once_and_stay_where_they_are) {
  test_registry r;
  std::vector<hot*> places;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    ASSERT_EQ(r.acquire(0), i);
    ASSERT_EQ(r.hot(i).word, 17U);
    ASSERT_EQ(r.cold(i).word, 23U);
    r.hot(i).word = i;
    places.push_back(&r.hot(i));
  }
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    ASSERT_EQ(&r.hot(i), places[i]);
    ASSERT_EQ(r.hot(i).word, i);
  }
  EXPECT_EQ(std::set<hot*>(places.begin(), places.end()).size(), 10'000U);
  EXPECT_EQ(r.in_use(), 10'000U);
  EXPECT_FALSE(r.exists(10'000));
  EXPECT_TRUE(r.exists(9'999));
}

TEST(registry, the_index_given_back_last_comes_first) {
  test_registry r;
  const auto a = r.acquire(0);
  const auto b = r.acquire(0);
  end(r, a);
  end(r, b);
  EXPECT_EQ(r.acquire(0), b);
  EXPECT_EQ(r.acquire(0), a);
}

TEST(registry, an_index_is_reused_as_its_own_kind_only) {
  test_registry r;
  const auto a = r.acquire(1);
  end(r, a, 1);
  EXPECT_NE(r.acquire(0), a);
  EXPECT_EQ(r.acquire(1), a);
}

TEST(registry, generations_differ_and_a_saturated_index_is_retired) {
  test_registry r;
  const auto index = r.acquire(0);
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < DETENT_GENERATION_MAX; ++i) {
    const auto generation = generation_of(r, index);
    EXPECT_NE(generation, 0U);
    EXPECT_TRUE(seen.insert(generation).second);
    EXPECT_FALSE(r.has_passed(index, generation));
    end(r, index);
    EXPECT_TRUE(r.has_passed(index, generation));
    if (i + 1 < DETENT_GENERATION_MAX) {
      ASSERT_EQ(r.acquire(0), index);
    }
  }
  EXPECT_NE(r.acquire(0), index);
  EXPECT_EQ(r.in_use(), 1U);
}

TEST(registry, many_threads_never_share_an_index) {
  test_registry r;
  std::vector<std::thread> threads;
  std::atomic<bool> shared{false};
  for (std::uint64_t t = 1; t <= 4; ++t) {
    threads.emplace_back([&r, &shared, t] {
      for (int i = 0; i < 2000; ++i) {
        const auto index = r.acquire(0);
        r.hot(index).word = t;
        std::this_thread::yield();
        if (r.hot(index).word != t) shared = true;
        r.give_back(index, 0);
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_FALSE(shared);
  EXPECT_EQ(r.in_use(), 0U);
}

}  // namespace
