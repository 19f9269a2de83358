// beside: one verb or one end beside another, where a pair of verbs does not say enough.
#include "explore/execution.hpp"
#include "explore/scenario.hpp"
#include "explore/scenery.hpp"
#include "explore/subject.hpp"

#include <detent/detent.hpp>

#include <array>
#include <chrono>
#include <optional>
#include <utility>

namespace detent::explore {

namespace {

using namespace std::chrono_literals;

// Armed again and made a one-shot while a tick of the series is claimed.
void series_replaced() {
  timer_service service(on(on_driver{}));
  settle();
  int calls = 0;
  timer it(service, [&] { ++calls; });
  series_options how;
  how.first = 0s;
  it.arm_every(1ms, how);
  run_parties([&] { it.arm_after(5ms); }, [&] { it.arm_every(3ms); });
  it.cancel();
  sleep_until(now_ns() + 20'000'000);
  check(it.status() == timer_state::idle, "something is pending after a cancel");
  check(calls <= 2, "a series goes on");
}

template <verb With>
void against_pool_fire() {
  subject_options how;
  how.executor = pool{1};
  how.by_id = With == verb::destroy;
  subject it(how);
  it.begin_due();
  run_parties([&] { it.perform(With, 0); });
  it.finish();
}

void rearming_against_close() {
  subject_options how;
  how.rearms_itself = 1;
  subject it(how);
  it.begin_due();
  run_parties([&] { it.perform(verb::close, 0); });
  it.finish();
}

// The timer closes itself while somebody else waits for it.
void self_close_against_wait() {
  subject_options how;
  how.closes_itself = true;
  subject it(how);
  it.begin_due();
  run_parties([&] { it.perform(verb::close, 0); });
  it.finish();
}

// A close from the call itself does not wait for it.
void close_from_inside() {
  timer_service service(on(on_driver{}));
  settle();
  std::optional<timer> it;
  wait_result inside = wait_result::quiet;
  it.emplace(service, [&] { inside = it->close_and_wait().wait; });
  it->arm_after(0s);
  run_parties([&] { static_cast<void>(it->wait()); });
  check(inside == wait_result::from_callback, "a close from inside its own call answered otherwise");
}

// Two calls close each other's timer: one of the waits is refused, none lasts for ever.
void calls_close_each_other() {
  service_options options = on(pool{2});
  options.on_deadlock = [](const deadlock_report&) {};
  timer_service service(std::move(options));
  settle();
  std::optional<timer> a;
  std::optional<timer> b;
  a.emplace(service, [&] { static_cast<void>(b->close_and_wait()); });
  b.emplace(service, [&] { static_cast<void>(a->close_and_wait()); });
  a->arm_after(0s);
  b->arm_after(0s);
  run_parties([] {});
}

// A driver that goes to sleep, and an arming: nobody comes to the rescue later.
void arm_against_sleep() {
  timer_service service(on(on_driver{}));
  settle();
  int calls = 0;
  timer first(service, [&] { ++calls; });
  timer second(service, [&] { ++calls; });
  first.arm_after(0s);
  run_parties([&] { second.arm_after(0s); });
  check(calls == 2, "a timer that is due was not seen");
}

// A token comes up for a timer that was postponed; it is armed earlier again meanwhile.
void postponed_then_earlier() {
  let_time_move();
  timer_service service(on(on_driver{}));
  settle();
  int calls = 0;
  timer it(service, [&] { ++calls; });
  it.arm_after(1ms);
  settle();
  run_parties([&] {
    it.arm_after(1h);
    it.arm_after(2ms);
  });
  sleep_until(now_ns() + 10'000'000);
  check(calls >= 1, "a timer that is due was not seen");
  check(it.status() == timer_state::idle, "a firing is lost: nobody looks at it");
}

// A group is closed while a member is created and another fires.
void group_closed() {
  timer_service service(on(on_driver{}));
  settle();
  timer_group group(service);
  bool closed = false;
  bool in_call = false;
  plain<int> written;
  timer member(group, [&] {
    check(!closed, "a member's call begins after its group was closed and quiet");
    in_call = true;
    written.write(1);
    pause();
    in_call = false;
  });
  member.arm_after(0s);
  std::optional<timer> late;
  run_parties(
      [&] {
        check(group.close_and_wait() == wait_result::quiet, "a close from outside did not answer quiet");
        closed = true;
        check(!in_call, "quiet, and a call is in progress");
        static_cast<void>(written.read());
      },
      [&] {
        late.emplace(group, [&] { check(!closed, "a late member fires after its group was closed"); });
        late->arm_after(0s);
      });
}

// What shall run after the last call, runs once after it, and after the captures are gone.
void closed_then() {
  timer_service service(on(pool{1}));
  settle();
  bool in_call = false;
  int continued = 0;
  timer it(service, [&] {
    check(continued == 0, "a call begins after the continuation");
    in_call = true;
    pause();
    in_call = false;
  });
  it.arm_after(0s);
  const auto go_on = [&] {
    check(!in_call, "the continuation runs during the call");
    ++continued;
  };
  run_parties([&] { static_cast<void>(it.close_then(go_on)); });
  check(continued == 1, "the continuation did not run once");
}

// Two threads drive one service; one of them answers busy, nothing is called twice.
void driven_by_two() {
  service_options options = on(on_driver{});
  options.drive = drive::by_user;
  timer_service service(std::move(options));
  int calls = 0;
  bool in_call = false;
  plain<int> written;
  timer it(service, [&] {
    check(!in_call, "two calls of one timer overlap");
    in_call = true;
    written.write(++calls);
    pause();
    in_call = false;
  });
  it.arm_after(0s);
  std::size_t handed = 0;
  const auto drive = [&] { handed += service.run_due().count; };
  run_parties(drive, drive, [&] { it.arm_after(0s); });
  drive();
  check(calls >= 1 && static_cast<std::size_t>(calls) <= handed, "a firing is lost, or ran twice");
  check(it.status() == timer_state::idle, "a firing is lost: nobody looks at it");
}

// The service goes away beside a handle that is used: the handle outlives it.
void service_destroyed() {
  std::optional<timer_service> service(std::in_place, on(on_driver{}));
  settle();
  bool gone = false;
  timer it(*service, [&] { check(!gone, "a call begins after the service is gone"); });
  it.arm_after(0s);
  run_parties(
      [&] {
        service.reset();
        gone = true;
      },
      [&] {
        static_cast<void>(it.arm_after(0s));
        static_cast<void>(it.cancel());
      });
  check(it.arm_after(0s) == arm_result::shut_down, "a handle without a service may be armed");
}

// A stop reaches one call, and none that begins later; who asks for an earlier call and comes late takes nothing back.
void stop_against_calls() {
  timer_service service(on(on_driver{}));
  settle();
  int begun = 0;
  int ended = 0;
  bool told[3] = {};
  int last_asked = 0;  // the latest call that the stop can have meant
  timer it(service, [&](firing& now) {
    const int which = ++begun;
    pause();
    told[which] = now.token().stop_requested();
    if (which == 1) {
      it.arm_after(0s);
    } else {
      check(it.stop() == stop_result::asked, "a call does not see itself in progress");
      check(now.token().stop_requested(), "a call that was asked to stop is not told");
    }
    ended = which;
  });
  it.arm_after(0s);
  run_parties([&] {
    if (it.stop() != stop_result::asked) return;
    // A call that has won its firing is in progress, whether its callback has begun or not.
    const int before = begun;
    const bool won = before == ended && it.status() == timer_state::running;
    last_asked = won && begun == before ? before + 1 : begun;
  });
  check(begun == 2, "a firing is lost");
  check(!told[1] || !told[2], "one stop reached two calls");
  check((!told[1] || last_asked >= 1) && (!told[2] || last_asked == 2), "a call is told of another one's stop");
}

constexpr std::array scenarios = {
    scenario{"series_replaced", "a series becomes a one-shot and another series", &series_replaced},
    scenario{"pool_cancel_fire", "cancel beside a call on a pool", &against_pool_fire<verb::cancel>},
    scenario{"pool_close_fire", "close beside a call on a pool", &against_pool_fire<verb::close>},
    scenario{"pool_destroy_fire", "the destructor beside a call on a pool", &against_pool_fire<verb::destroy>},
    scenario{"close_rearming", "close beside a call that arms itself again", &rearming_against_close},
    scenario{"close_self_closing", "close beside a call that closes itself", &self_close_against_wait},
    scenario{"close_from_inside", "a close from its own call", &close_from_inside},
    scenario{"close_each_other", "two calls that close each other's timer", &calls_close_each_other},
    scenario{"arm_sleep", "an arming while the driver goes to sleep", &arm_against_sleep},
    scenario{"postpone_earlier", "a token comes up for a postponed timer that is armed earlier",
             &postponed_then_earlier},
    scenario{"group_close", "a group is closed beside a new member and a call", &group_closed},
    scenario{"close_then", "what runs after the last call", &closed_then},
    scenario{"run_due_twice", "two threads drive one service", &driven_by_two},
    scenario{"service_destroyed", "the service goes beside a handle in use", &service_destroyed},
    scenario{"stop_call", "a call is asked to stop, the next is not", &stop_against_calls},
};

}  // namespace

std::span<const scenario> beside_scenarios() noexcept { return scenarios; }

}  // namespace detent::explore
