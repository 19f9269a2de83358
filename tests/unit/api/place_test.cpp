// Goal: the place of creation is the line that the user wrote, wherever that may stand, with every compiler.
#include <detent/detent.hpp>
#include <detent/tracked_mutex.hpp>

#include <mutex>
#include <string_view>

#include <gtest/gtest.h>

namespace {

// clang 16 refuses the standard's own function in these initializers.
struct aggregate {
  detent::timer_service& service;
  detent::timer timer{service, [] {}};
  detent::tracked_mutex<std::mutex> mutex{"aggregate"};
};

struct owner {
  explicit owner(detent::timer_service& s) : service(s) {}
  detent::timer_service& service;
  detent::timer timer{service, {.name = "of an owner"}, [] {}};
};

bool is_this_file(std::string_view name) { return name.ends_with("place_test.cpp"); }

TEST(place, of_a_timer_made_in_a_function) {
  detent::timer_service service;
  const unsigned before = __LINE__;
  const detent::timer t(service, [] {});
  EXPECT_EQ(t.place().line(), before + 1);
  EXPECT_TRUE(is_this_file(t.place().file_name()));
}

TEST(place, of_a_default_member_initializer) {
  detent::timer_service service;
  const owner o(service);
  EXPECT_TRUE(is_this_file(o.timer.place().file_name()));
  EXPECT_NE(o.timer.place().line(), 0U);
  const aggregate a{service};
  EXPECT_TRUE(is_this_file(a.timer.place().file_name()));
}

}  // namespace
