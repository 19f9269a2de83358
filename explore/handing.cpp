// handing: how an arming comes to the driver, asleep or in its poll, and to who moves a manual clock.
#include "explore/execution.hpp"
#include "explore/scenario.hpp"
#include "explore/scenery.hpp"

#include <detent/detent.hpp>
#include <detent/testing.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace detent::explore {

namespace {

using namespace std::chrono_literals;

// --- The hand-off ----------------------------------------------------------------------------------------------------

// An earlier arming relies on the later one's push, and knows that the driver sleeps.
void two_armers_asleep() {
  timer_service service(on(on_driver{}));
  settle();
  timer other(service, [] {});
  other.arm_after(10ms);
  settle();
  int calls = 0;
  timer it(service, [&] { ++calls; });
  bool is_last = false;
  run_parties([&] { it.arm_after(1h); }, [&] { is_last = it.arm_after(1ms) == arm_result::rearmed; });
  sleep_until(now_ns() + 5'000'000);
  if (is_last) check(calls == 1, "a timer that is due was not seen");
}

// Armed earlier by somebody while the call on a pool arms it again: the record is in hand and on the inbox at once.
void in_hand_and_on_inbox() {
  timer_service service(on(pool{1}));
  settle();
  const std::int64_t start_ns = now_ns();
  const auto earlier_by = [start_ns](std::int64_t ns) { return steady_clock::time_point(duration(start_ns - ns)); };
  int calls = 0;
  plain<int> written;
  timer it(service, [&] {
    written.write(written.read() + 1);
    if (++calls == 1) it.arm_at(earlier_by(800));
  });
  it.arm_at(earlier_by(80));
  run_parties([&] { it.arm_at(earlier_by(160)); });
  check(it.status() == timer_state::idle && calls >= 1, "a firing is lost: nobody looks at it");
}

// A timer of another clock sends the driver to its poll.
void poll_awaited() {
  timer_service service(on(on_driver{}));
  settle();
  int calls = 0;
  boottime_timer first(service, [&] { ++calls; });
  first.arm_after(1h);
  settle();
  run_parties([&] { first.arm_after(0s); });
  check(calls == 1, "a timer that is due was not seen");
}

// The first timer of another clock, beside an arming: the driver changes its bed.
void poll_opened() {
  timer_service service(on(on_driver{}));
  settle();
  int calls = 0;
  timer steady(service, [&] { ++calls; });
  std::optional<boottime_timer> other;
  run_parties([&] { steady.arm_after(0s); },
              [&] {
                other.emplace(service, [&] { ++calls; });
                other->arm_after(0s);
              });
  check(calls == 2, "a timer that is due was not seen");
}

// The user's loop asks for its descriptor while another thread looks at the clock.
void poll_opened_by_user() {
  service_options by_user = on(on_driver{});
  by_user.drive = drive::by_user;
  timer_service service(std::move(by_user));
  timer it(service, [] {});
  run_parties(
      [&] {
        service.run_due();
        static_cast<void>(service.next_deadline());
        static_cast<void>(service.fd());
      },
      [&] { static_cast<void>(service.fd()); }, [&] { it.arm_after(1h); });
}

// --- A manual clock --------------------------------------------------------------------------------------------------

// Two move it: one does, the other answers 0, and each sees what the calls of the one before did.
void moved_by_two() {
  manual_clock clock;
  timer_service service(clock);
  int calls = 0;
  plain<int> written;
  timer it(service, [&] { written.write(++calls); });
  it.arm_after(1ms);
  std::size_t made = 0;
  const auto move = [&] {
    if (clock.advance(1ms) == 0) return;
    ++made;
    check(written.read() == calls, "what a call wrote is not seen by the mover");
    it.arm_after(1ms);
  };
  run_parties(move, move);
  check(made == static_cast<std::size_t>(calls), "a call was counted twice, or not");
}

// Two move it, and the second arms what only its own move files: nothing else hands the wheel on from one to the other.
void moved_in_turn() {
  manual_clock clock;
  timer_service service(clock);
  timer first(service, [] {});
  timer second(service, [] {});
  first.arm_after(1ms);
  run_parties([&] { static_cast<void>(clock.advance(1ms)); },
              [&] {
                second.arm_after(1ms);
                static_cast<void>(clock.advance(1ms));
              });
}

constexpr std::array scenarios = {
    scenario{"armers_asleep", "two armers of one timer while the driver sleeps", &two_armers_asleep},
    scenario{"in_hand_on_inbox", "armed from outside and inside a call on a pool", &in_hand_and_on_inbox},
    scenario{"poll_awaited", "an arming while the driver sleeps in its poll", &poll_awaited},
    scenario{"poll_opened", "the first timer of another clock beside an arming", &poll_opened},
    scenario{"fd_beside_run_due", "the poll of a user's loop is opened beside a look", &poll_opened_by_user},
    scenario{"moved_by_two", "two threads move a manual clock", &moved_by_two},
    scenario{"moved_in_turn", "the second mover files what it has armed itself", &moved_in_turn},
};

}  // namespace

std::span<const scenario> handing_scenarios() noexcept { return scenarios; }

}  // namespace detent::explore
