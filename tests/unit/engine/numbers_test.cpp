// The numbers of calls, where they pass the middle and the end of what they can count: a stop reaches the call it was
// meant for, and no other. Reached by setting the count of a record, for two thousand million calls take minutes.
#include "engine/engine.hpp"

#include <detent/detent.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

using detent::detail::record;

// The record of a timer that is alone in its service.
record& only_record(detent::timer_service& service) {
  void* storage = detent::detail::home(service).owner()->storage_of(0);
  return *reinterpret_cast<record*>(static_cast<unsigned char*>(storage) - offsetof(record, storage));
}

struct scene {
  detent::manual_clock clock;
  detent::timer_service service{clock};
  bool asks = false;
  int asked = 0;  // calls that were told to stop
  int calls = 0;
  detent::timer t{service, [this](detent::firing& f) {
                    ++calls;
                    if (asks) {
                      EXPECT_EQ(t.stop(), detent::stop_result::asked);
                    }
                    if (f.token().stop_requested()) ++asked;
                  }};

  void set_calls(std::uint32_t so_far) { only_record(service).calls.store(so_far, std::memory_order_relaxed); }
  void run() {
    t.arm_after(0ns);
    clock.advance(1us);
  }
};

TEST(numbers, a_stop_reaches_a_call_long_after_the_last_one) {
  for (const std::uint32_t so_far : {0x7FFFFFFEU, 0x7FFFFFFFU, 0x80000000U, 0x80000001U, 0xFFFFFFFDU}) {
    scene s;
    s.asks = true;
    s.set_calls(so_far);
    s.run();
    EXPECT_EQ(s.calls, 1) << so_far;
    EXPECT_EQ(s.asked, 1) << so_far;
    s.asks = false;
    s.run();
    EXPECT_EQ(s.asked, 1) << so_far << ": the next call was told of it";
  }
}

TEST(numbers, no_call_has_the_number_of_none) {
  scene s;
  s.set_calls(0xFFFFFFFEU);
  for (int i = 0; i < 3; ++i) s.run();
  EXPECT_EQ(s.calls, 3);
  EXPECT_EQ(s.asked, 0);
  s.asks = true;
  s.run();
  EXPECT_EQ(s.asked, 1);
}

}  // namespace
