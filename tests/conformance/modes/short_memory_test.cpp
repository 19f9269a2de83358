// short_memory: a change of mode that finds no memory changes nothing, or is complete; its hooks run either way, and so
// do those of the next change.
#include <detent/detent.hpp>
#include <detent/modes.hpp>

#include <stdexcept>
#include <string>
#include <support/failing_memory.hpp>

#include <gtest/gtest.h>

namespace {

TEST(short_memory, AChangeIsAllOrNothing) {
  bool was_late = true;
  for (long which = 0; was_late; ++which) {
    ASSERT_LT(which, 200);
    const auto note = "allocation " + std::to_string(which);
    detent::manual_clock clock;
    detent::timer_service service(clock);
    detent::modes_options options;
    int errors = 0;
    options.on_error = [&](const std::string&) { ++errors; };
    detent::modes modes(service, std::move(options));
    const std::string name = "a mode whose name does not fit into a short string";
    int entered = 0;
    int left = 0;
    int told = 0;
    for (const std::string& one : {name, name + " either"}) {
      detent::mode_options mode;
      mode.name = one;
      mode.on_enter = [&] {
        ++entered;
        throw std::runtime_error("an error whose words do not fit into a short string");
      };
      mode.on_exit = [&] { ++left; };
      modes.add(std::move(mode));
    }
    modes.add_group({"group", {name, name + " either"}, [&] { ++entered; }, [&] { ++left; }});
    modes.add_listener([&](const std::string&, const std::string&) { ++told; });
    int ticks = 0;
    detent::mode_timer timer(service, modes, {.modes = {"default"}}, [&](detent::firing&) { ++ticks; });
    timer.arm_every(std::chrono::milliseconds(10));
    bool threw = false;
    was_late = support::with_failing_allocation(which, [&] {
      try {
        EXPECT_EQ(modes.set(name), detent::mode_change::changed);
      } catch (const std::bad_alloc&) {
        threw = true;
      }
    });
    EXPECT_EQ(modes.is("default"), threw) << note;
    EXPECT_EQ(modes.transitions(), threw ? 0U : 1U) << note;
    EXPECT_EQ(told, threw ? 0 : 1) << note;
    clock.advance(std::chrono::milliseconds(10));
    EXPECT_EQ(ticks, threw ? 1 : 0) << note;
    modes.set(name + " either");
    EXPECT_TRUE(modes.is(name + " either")) << note;
    EXPECT_EQ(entered, threw ? 2 : 3) << note;
    EXPECT_EQ(left, threw ? 0 : 1) << note;
    EXPECT_EQ(told, threw ? 1 : 2) << note;
    EXPECT_GE(errors, 1) << note;
  }
}

}  // namespace
