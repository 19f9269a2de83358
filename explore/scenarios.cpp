#include "explore/execution.hpp"
#include "explore/scenario.hpp"
#include "explore/scenery.hpp"
#include "explore/subject.hpp"

#include <array>
#include <chrono>
#include <cstdint>
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

// --- destroy, destroy ------------------------------------------------------------------------------------------------

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

// --- The four subtle ones --------------------------------------------------------------------------------------------

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
};

#undef DETENT_PAIR

}  // namespace

std::span<const scenario> all_scenarios() noexcept {
  static const std::vector<scenario> all = [] {
    std::vector<scenario> one(scenarios.begin(), scenarios.end());
    for (const auto more : {beside_scenarios(), publishing_scenarios(), ending_scenarios(), handing_scenarios()}) {
      one.insert(one.end(), more.begin(), more.end());
    }
    return one;
  }();
  return all;
}

}  // namespace detent::explore
