#include "explore/publishing.hpp"
#include "explore/scenario.hpp"
#include "explore/subject.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace detent::explore {

namespace {

using namespace std::chrono_literals;

template <verb First, verb Second>
void pair() {
  run_pair(First, Second);
}

service_options on(const executor_choice& executor) {
  service_options options;
  options.executor = executor;
  return options;
}

// Keeps the tasks it is given, for a party to run or to drop.
class keeping_executor {
 public:
  void post(task&& t) {
    if (refuses) return;
    kept.push_back(std::move(t));
  }
  void run_one() {
    task t = std::move(kept.back());
    kept.pop_back();
    t();
  }
  void drop_all() {
    const std::vector<task> dropped = std::move(kept);
    kept.clear();
  }
  std::vector<task> kept;
  bool refuses = false;
};

// --- destroy, destroy
// -------------------------------------------------------------------------------------------------

// Two timers of one serial group: one handle is destroyed by each party, while the first call is in progress.
void two_destroyed() {
  timer_service service(on(on_driver{}));
  group_options serial;
  serial.order = group_order::serial;
  std::optional<timer_group> group(std::in_place, service, serial);
  settle();
  bool in_call[2] = {};
  bool gone[2] = {};
  plain<int> written[2];
  const auto callback = [&](int which) {
    return [&, which] {
      check(!gone[which], "a call begins after the destructor");
      check(!in_call[0] && !in_call[1], "two calls of a serial group overlap");
      in_call[which] = true;
      written[which].write(1);
      pause();
      in_call[which] = false;
    };
  };
  std::optional<timer> first(std::in_place, *group, callback(0));
  std::optional<timer> second(std::in_place, *group, callback(1));
  first->arm_after(0s);
  second->arm_after(0s);
  const auto destroy = [&](std::optional<timer>& it, int which) {
    it.reset();
    check(!in_call[which], "the destructor came back during the call");
    gone[which] = true;
    written[which].write(2);
  };
  run_parties([&] { destroy(first, 0); }, [&] { destroy(second, 1); });
  group.reset();
  check(service.counters().alive == 0, "a record is not given back");
}

// --- The four subtle ones
// ---------------------------------------------------------------------------------------------

// A record is closed, freed and opened anew while an executor still holds the entry of its first tenant.
void reuse_in_hand() {
  keeping_executor executor;
  timer_service service(on(executor));
  settle();
  int first_calls = 0;
  int second_calls = 0;
  plain<int> payload;
  std::optional<timer> first(std::in_place, service, [&] { ++first_calls; });
  const std::uint32_t index = first->id().index;
  first->arm_after(0s);
  settle();
  check(executor.kept.size() == 1, "no entry was handed out");
  std::optional<timer> second;
  run_parties([&] { executor.run_one(); },
              [&] {
                first.reset();
                const int calls_then = first_calls;
                second.emplace(service, [&, calls_then] {
                  check(payload.read() == 7, "what was written before the arming is not seen in its call");
                  check(first_calls == calls_then, "the first tenant ran after its end");
                  ++second_calls;
                });
                payload.write(7);
                check(second->id().index == index, "the record was not used again");
                second->arm_after(0s);
              });
  while (!executor.kept.empty()) {
    executor.run_one();
    settle();
  }
  check(first_calls <= 1 && second_calls == 1, "a firing is lost, or ran twice");
}

// Verbs by the id of a timer that goes reach it or nobody, never the next tenant of its record.
void id_against_reuse() {
  timer_service service(on(on_driver{}));
  settle();
  bool second_called = false;
  bool first_called = false;
  std::optional<timer> first(std::in_place, service, [&] { first_called = true; });
  const timer_id id = first->id();
  std::optional<timer> second;
  bool first_gone = false;
  run_parties(
      [&] {
        const bool gone_before = first_gone;
        const arm_result armed = service.arm_after(id, 0s);
        check(!gone_before || armed == arm_result::closed, "an id reached a timer that is gone");
        static_cast<void>(service.close(id));
      },
      [&] {
        first.reset();
        first_gone = true;
        const bool called_then = first_called;
        second.emplace(service, [&] { second_called = true; });
        check(second->id().index == id.index, "the record was not used again");
        check(second->arm_after(1h) == arm_result::armed, "a new timer was not idle and open");
        check(called_then == first_called, "the first tenant ran after its end");
      });
  check(second->status() == timer_state::pending, "the next tenant was closed or withdrawn by a stale id");
  check(!second_called, "the next tenant fired for a stale id");
}

// A series that is cancelled while a tick is claimed, called or going on.
template <pace Pace>
void series_cancelled() {
  timer_service service(on(on_driver{}));
  settle();
  int calls = 0;
  bool cancelled = false;
  plain<int> written;
  timer series(service, [&] {
    check(!cancelled, "a tick begins after the series was cancelled");
    ++calls;
    check(calls < 20, "a cancelled series goes on");
    written.write(calls);
    pause();
  });
  series_options how;
  how.first = 0s;
  how.pace = Pace;
  series.arm_every(1ms, how);
  run_parties([&] {
    const cancel_answer found = series.cancel_and_wait();
    check(found.outcome == cancel_result::cancelled || found.outcome == cancel_result::cancelled_running,
          "a live series was not found");
    cancelled = true;
    check(written.read() == calls, "what a tick wrote is not seen after the wait");
  });
  sleep_until(now_ns() + 10'000'000);
  check(series.status() == timer_state::idle, "the series is not over");
}

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

// An executor refuses a task, while its timer is armed again and cancelled.
void task_dropped() {
  keeping_executor executor;
  service_options options = on(executor);
  int dropped = 0;
  options.on_error = [&dropped](const callback_error&) { ++dropped; };
  timer_service service(std::move(options));
  settle();
  int calls = 0;
  timer it(service, [&] { ++calls; });
  int armed = it.arm_after(0s) == arm_result::armed ? 1 : 0;
  settle();
  int withdrawn = 0;
  run_parties([&] { executor.drop_all(); },
              [&] {
                if (it.arm_after(0s) == arm_result::armed) ++armed;
                const cancel_result found = it.cancel();
                if (found == cancel_result::cancelled) ++withdrawn;
                if (it.arm_after(0s) == arm_result::armed) ++armed;
              });
  while (!executor.kept.empty()) {
    executor.run_one();
    settle();
  }
  check(calls + withdrawn + dropped == armed, "a firing has no end, or two");
  check(it.status() == timer_state::idle, "something is left pending");
}

// --- More
// -------------------------------------------------------------------------------------------------------------

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

#define DETENT_PAIR(a, b) \
  scenario { #a "_" #b, #a " beside " #b, &pair<verb::a, verb::b> }

constexpr std::array scenarios = {
    DETENT_PAIR(arm, arm),
    DETENT_PAIR(arm, postpone),
    DETENT_PAIR(arm, cancel),
    DETENT_PAIR(arm, close),
    DETENT_PAIR(arm, destroy),
    DETENT_PAIR(arm, wait),
    DETENT_PAIR(arm, fire),
    DETENT_PAIR(arm, shutdown),
    DETENT_PAIR(postpone, postpone),
    DETENT_PAIR(postpone, cancel),
    DETENT_PAIR(postpone, close),
    DETENT_PAIR(postpone, destroy),
    DETENT_PAIR(postpone, wait),
    DETENT_PAIR(postpone, fire),
    DETENT_PAIR(postpone, shutdown),
    DETENT_PAIR(cancel, cancel),
    DETENT_PAIR(cancel, close),
    DETENT_PAIR(cancel, destroy),
    DETENT_PAIR(cancel, wait),
    DETENT_PAIR(cancel, fire),
    DETENT_PAIR(cancel, shutdown),
    DETENT_PAIR(close, close),
    DETENT_PAIR(close, destroy),
    DETENT_PAIR(close, wait),
    DETENT_PAIR(close, fire),
    DETENT_PAIR(close, shutdown),
    scenario{"destroy_destroy", "two handles of a serial group, while its calls run", &two_destroyed},
    DETENT_PAIR(destroy, wait),
    DETENT_PAIR(destroy, fire),
    DETENT_PAIR(destroy, shutdown),
    DETENT_PAIR(wait, wait),
    DETENT_PAIR(wait, fire),
    DETENT_PAIR(wait, shutdown),
    scenario{"fire_fire", "the end of one call beside the beginning of the next, on a pool",
             &pair<verb::fire, verb::fire>},
    DETENT_PAIR(fire, shutdown),
    DETENT_PAIR(shutdown, shutdown),
    scenario{"reuse_in_hand", "a record gets its next tenant while an entry of the last is in hand", &reuse_in_hand},
    scenario{"id_against_reuse", "verbs by the id of a timer that goes", &id_against_reuse},
    scenario{"series_cancel", "a series is cancelled at every point of a tick", &series_cancelled<pace::fixed_rate>},
    scenario{"dropped_task", "an executor refuses a task of a timer that is armed again", &task_dropped},
    scenario{"series_delay_cancel", "the same, with a fixed delay", &series_cancelled<pace::fixed_delay>},
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

#undef DETENT_PAIR

}  // namespace

std::span<const scenario> all_scenarios() noexcept {
  static const std::vector<scenario> all = [] {
    std::vector<scenario> both(scenarios.begin(), scenarios.end());
    both.insert(both.end(), publishing_scenarios().begin(), publishing_scenarios().end());
    return both;
  }();
  return all;
}

}  // namespace detent::explore
