// Goal: the radix wheel takes out exactly what is due, earliest first, whatever the offsets, and never loses its shape.
// Method: random operations against a sorted multimap, starting near every power of two; `is_sound` walks I1 to I3.
#include "wheel/wheel.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace {

using detent::detail::no_index;
using detent::detail::wheel_link;

struct vector_links {
  std::vector<wheel_link>* all;
  wheel_link& operator()(std::uint32_t index) const { return (*all)[index]; }
};

using test_wheel = detent::detail::wheel<vector_links>;

struct rig {
  explicit rig(std::size_t size) : links(size), wheel(vector_links{&links}) {}
  std::vector<wheel_link> links;
  test_wheel wheel;

  // Everything due by `now`, as (key, index) in the order taken out.
  std::vector<std::uint32_t> take_all(std::uint64_t now) {
    std::vector<std::uint32_t> taken;
    for (std::uint32_t chain = wheel.take_due(now); chain != no_index; chain = wheel.take_due(now)) {
      while (chain != no_index) {
        taken.push_back(chain);
        chain = links[chain].next;
      }
    }
    return taken;
  }
};

std::vector<std::uint32_t> sorted(std::vector<std::uint32_t> indexes) {
  std::sort(indexes.begin(), indexes.end());
  return indexes;
}

TEST(wheel, an_empty_wheel_has_nothing) {
  rig r(1);
  EXPECT_EQ(r.wheel.next(), test_wheel::nothing);
  EXPECT_EQ(r.wheel.take_due(test_wheel::key_max), no_index);
  EXPECT_TRUE(r.wheel.is_sound());
}

TEST(wheel, one_token_is_due_at_its_key_and_not_before) {
  for (int power = 0; power < 61; ++power) {
    for (std::int64_t around = -5; around <= 5; ++around) {
      const std::uint64_t key = (std::uint64_t{1} << power) + static_cast<std::uint64_t>(around);
      if (key == 0 || key > test_wheel::key_max) continue;
      rig r(1);
      r.wheel.file(0, key);
      EXPECT_EQ(r.wheel.next(), key);
      EXPECT_EQ(r.wheel.take_due(key - 1), no_index);
      EXPECT_TRUE(r.wheel.is_sound());
      EXPECT_EQ(r.wheel.take_due(key), 0U);
      EXPECT_EQ(r.wheel.size(), 0U);
    }
  }
}

TEST(wheel, the_largest_key_is_held_for_ever_beside_near_ones) {
  rig r(2);
  r.wheel.file(0, test_wheel::key_max);
  for (std::uint64_t now = 1; now < 5000; ++now) {
    r.wheel.file(1, now + 3);
    EXPECT_EQ(r.take_all(now + 3), std::vector<std::uint32_t>{1});
  }
  EXPECT_EQ(r.wheel.next(), test_wheel::key_max);
}

TEST(wheel, late_keys_come_out_at_the_next_look) {
  rig r(3);
  r.wheel.file(0, 1000);
  EXPECT_EQ(r.take_all(1000).size(), 1U);
  r.wheel.file(1, 10);
  r.wheel.file(2, 5);
  EXPECT_LE(r.wheel.next(), 1000U);
  EXPECT_EQ(sorted(r.take_all(1000)), (std::vector<std::uint32_t>{1, 2}));
}

TEST(wheel, removed_tokens_never_come_out) {
  rig r(3);
  r.wheel.file(0, 70);
  r.wheel.file(1, 70);
  r.wheel.file(2, 71);
  r.wheel.remove(0);
  EXPECT_FALSE(r.wheel.is_filed(0));
  EXPECT_TRUE(r.wheel.is_sound());
  EXPECT_EQ(r.take_all(100), (std::vector<std::uint32_t>{1, 2}));  // keys 70 and 71
}

TEST(wheel, equal_keys_come_out_as_one_chain_through_every_level) {
  rig r(100);
  for (std::uint32_t i = 0; i < 100; ++i) r.wheel.file(i, 123'456'789);
  r.wheel.take_due(123'000'000);
  std::set<std::uint32_t> taken;
  for (std::uint32_t i = r.wheel.take_due(123'456'789); i != no_index; i = r.links[i].next) taken.insert(i);
  EXPECT_EQ(taken.size(), 100U);
  EXPECT_EQ(r.wheel.take_due(123'456'789), no_index);
}

TEST(wheel, sort_is_stable_and_complete) {
  std::mt19937 random(7);
  rig r(500);
  for (int round = 0; round < 50; ++round) {
    std::vector<unsigned> weight(500);
    for (auto& w : weight) w = static_cast<unsigned>(random() % 20);
    for (std::uint32_t i = 0; i < 500; ++i) r.wheel.file(i, 1'000'000 + static_cast<std::uint64_t>(round) * 1000);
    std::uint32_t chain = r.wheel.take_due(1'000'000 + static_cast<std::uint64_t>(round) * 1000);
    std::vector<unsigned> place(500);  // in the chain before it is sorted
    for (std::uint32_t i = chain, next = 0; i != no_index; i = r.links[i].next) place[i] = next++;
    chain = r.wheel.sort(chain, [&](std::uint32_t a, std::uint32_t b) { return weight[a] < weight[b]; });
    std::size_t count = 0;
    for (std::uint32_t before = no_index; chain != no_index; before = chain, chain = r.links[chain].next, ++count) {
      if (before == no_index) continue;
      ASSERT_TRUE(weight[before] < weight[chain] || (weight[before] == weight[chain] && place[before] < place[chain]));
    }
    ASSERT_EQ(count, 500U);
  }
}

TEST(wheel, rebase_makes_late_tokens_future_again) {
  rig r(2);
  r.wheel.file(0, 10'000);
  EXPECT_EQ(r.take_all(9'999).size(), 0U);
  r.wheel.file(1, 500);
  r.wheel.rebase(100);
  EXPECT_TRUE(r.wheel.is_sound());
  EXPECT_EQ(r.take_all(499).size(), 0U);
  EXPECT_EQ(r.take_all(500), std::vector<std::uint32_t>{1});
  EXPECT_EQ(r.take_all(10'000), std::vector<std::uint32_t>{0});
}

// The model: a sorted map of key to indices.
void compare_with_model(std::uint64_t start, unsigned seed) {
  constexpr std::uint32_t tokens = 64;
  std::mt19937_64 random(seed);
  rig r(tokens + 1);
  std::vector<std::uint64_t> filed(tokens, 0);
  std::uint64_t now = start;
  r.wheel.take_due(now);
  r.wheel.file(tokens, test_wheel::key_max);  // Far away, always there.
  for (int step = 0; step < 2000; ++step) {
    const auto i = static_cast<std::uint32_t>(random() % tokens);
    const unsigned what = static_cast<unsigned>(random() % 10);
    if (what < 6) {
      if (filed[i] != 0) r.wheel.remove(i);
      const std::uint64_t reach = std::uint64_t{1} << (random() % 50);
      filed[i] = now + random() % reach;
      if (filed[i] == 0) filed[i] = 1;
      if (filed[i] >= test_wheel::key_max) filed[i] = test_wheel::key_max - 1;
      r.wheel.file(i, filed[i]);
    } else if (what < 8) {
      if (filed[i] != 0) r.wheel.remove(i);
      filed[i] = 0;
    } else {
      now += random() % (std::uint64_t{1} << (random() % 45));
      if (now >= test_wheel::key_max) now = test_wheel::key_max - 1;
      std::multiset<std::uint64_t> due;
      for (auto& key : filed) {
        if (key != 0 && key <= now) due.insert(key);
      }
      std::vector<std::uint64_t> taken;
      for (const std::uint32_t index : r.take_all(now)) {
        taken.push_back(filed[index]);
        filed[index] = 0;
      }
      ASSERT_EQ(taken, std::vector<std::uint64_t>(due.begin(), due.end())) << "seed " << seed << " start " << start;
    }
    std::uint64_t least = test_wheel::key_max;
    for (const auto key : filed) {
      if (key != 0 && key < least) least = key;
    }
    ASSERT_LE(r.wheel.next(), least);
    if (step % 100 == 0) {
      ASSERT_TRUE(r.wheel.is_sound());
    }
  }
}

TEST(wheel, agrees_with_a_sorted_map_from_every_offset) {
  unsigned seed = 1;
  for (int power = 1; power < 60; ++power) {
    for (const int around : {-5, -1, 0, 1, 5}) {
      const std::int64_t start = (std::int64_t{1} << power) + around;
      if (start > 0) compare_with_model(static_cast<std::uint64_t>(start), seed++);
    }
  }
}

}  // namespace
