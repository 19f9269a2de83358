// ending: shares, shutdowns and detached calls.
#include "explore/execution.hpp"
#include "explore/scenario.hpp"
#include "explore/scenery.hpp"

#include <detent/detent.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace detent::explore {

namespace {

using namespace std::chrono_literals;

// Keeps the tasks it is given, and hands them on as a queue does: what was done before a post is seen by its task. What
// its owner wrote after the service's end, `post` would read.
class keeping_executor {
 public:
  void post(task&& t) {
    check(!gone, "an executor is given a task after the service has ended");
    static_cast<void>(alive.read());
    kept.push_back(std::move(t));
    posts.fetch_add(1, std::memory_order_release);
  }
  void run_one() {
    posts.fetch_add(0, std::memory_order_acquire);
    task t = std::move(kept.back());
    kept.pop_back();
    t();
  }
  std::vector<task> kept;
  detail::sync_atomic<std::uint32_t> posts{0};
  plain<int> alive;
  bool gone = false;
};

// --- The end ---------------------------------------------------------------------------------------------------------

// The last share of a service, given back beside the handle's.
void last_shares() {
  std::optional<timer_service> service(std::in_place, on(on_driver{}));
  settle();
  std::optional<timer> it(std::in_place, *service, [] {});
  run_parties([&] { service.reset(); }, [&] { it.reset(); });
}

// A shutdown that did not wait, and is complete: what every call did is seen.
void shut_down_at_once() {
  timer_service service(on(on_driver{}));
  settle();
  plain<int> written;
  int begun = 0;
  timer it(service, [&] {
    ++begun;
    pause();
    written.write(1);
  });
  it.arm_after(0s);
  run_parties([&] {
    const shutdown_report report = service.shutdown(shutdown_policy::cancel_pending, duration(0));
    if (report.complete) check(written.read() == begun, "a complete shutdown, and a call is not seen");
  });
}

// The destructor of a service whose shutdown gave up: it comes back when the call on the user's thread is over, and
// sees what that did. Nobody joins such a thread.
void outlives_shutdown() {
  keeping_executor executor;
  std::optional<timer_service> service(std::in_place, on(executor));
  settle();
  const std::int64_t given_up_ns = now_ns() + 2'000'000'000;
  bool begun = false;
  plain<int> written;
  timer it(*service, [&] {
    begun = true;
    sleep_until(given_up_ns);
    written.write(1);
  });
  it.arm_after(0s);
  settle();
  run_parties([&] { executor.run_one(); },
              [&] {
                service.reset();
                if (begun) check(written.read() == 1, "the service is gone, and a call is not seen");
              });
}

// A timer is made beside the shutdown: it is born shut down, or ended by it.
void born_beside_shutdown() {
  timer_service service(on(on_driver{}));
  settle();
  bool over = false;
  std::optional<timer> it;
  run_parties(
      [&] {
        service.shutdown();
        over = true;
      },
      [&] {
        it.emplace(service, [&] { check(!over, "a call begins after the shutdown"); });
        it->arm_after(0s);
      });
  check(it->status() == timer_state::shut_down, "a timer outlives the shutdown");
}

// A shutdown that runs what is due looks at a timer that is being made.
void due_beside_shutdown() {
  timer_service service(on(on_driver{}));
  settle();
  std::optional<timer> it;
  run_parties([&] { service.shutdown(shutdown_policy::run_due); },
              [&] {
                it.emplace(service, [] {});
                it->arm_after(0s);
              });
  check(it->status() == timer_state::shut_down, "a timer outlives the shutdown");
}

// A continuation is started beside the shutdown, and its executor lets it lie: one of the two threads runs it.
void continued_beside_shutdown() {
  keeping_executor executor;
  timer_service service(on(executor));
  settle();
  int continued = 0;
  timer it(service, [] {});
  run_parties([&] { static_cast<void>(it.close_then([&] { ++continued; })); }, [&] { service.shutdown(); });
  check(continued == 1, "the continuation did not run once");
  while (!executor.kept.empty()) executor.run_one();
}

// A task of a serial group hands the turn on to the user's executor, beside the end of the service.
void turn_beside_end() {
  keeping_executor executor;
  std::optional<timer_service> service(std::in_place, on(executor));
  group_options serial;
  serial.order = group_order::serial;
  std::optional<timer_group> group(std::in_place, *service, serial);
  settle();
  std::optional<timer> first(std::in_place, *group, [] {});
  std::optional<timer> second(std::in_place, *group, [] {});
  first->arm_after(0s);
  second->arm_after(0s);
  settle();
  check(executor.kept.size() == 1, "two turns of a serial group at once");
  run_parties([&] { executor.run_one(); },
              [&] {
                service.reset();
                executor.alive.write(1);
                executor.gone = true;
              });
  const std::vector<task> rest = std::move(executor.kept);
  executor.kept.clear();
}

// --- Detached calls --------------------------------------------------------------------------------------------------

// Who waits is let go by the detach, and sees what was done before it; the rest of the call outlives the handle.
template <bool Destroyed>
void let_go_by_detach() {
  plain<int> before_detach;
  plain<int> rest;
  timer_service service(on(pool{1}));  // Its end waits for the rest of the call, the handle's does not.
  settle();
  bool detached = false;
  std::optional<timer> it;
  it.emplace(service, [&, last = last_word([&] { rest.write(2); })](firing& now) {
    before_detach.write(1);
    if constexpr (Destroyed) pause();
    else sleep_until(now_ns() + 1'000);  // Until everybody else sleeps: the waiter on this call.
    detached = true;
    now.detach();
    rest.write(1);
    pause();
  });
  it->arm_after(0s);
  run_parties([&] {
    if constexpr (Destroyed) {
      it.reset();
    } else {
      check(it->close_and_wait().wait == wait_result::quiet, "a close from outside did not answer quiet");
    }
    // Detached: there was a call, so nothing was withdrawn, and the wait ended with that detach or later.
    if (detached) check(before_detach.read() == 1, "what was done before the detach is not seen");
  });
}

// A group waits for all of a call, also for what comes after its detach.
void group_waits_for_the_rest() {
  timer_service service(on(pool{1}));
  timer_group group(service);
  settle();
  int begun = 0;
  int ended = 0;
  timer it(group, [&](firing& now) {
    ++begun;
    pause();
    now.detach();
    pause();
    ++ended;
  });
  it.arm_after(0s);
  run_parties([&] {
    static_cast<void>(group.close_and_wait());
    check(begun == ended, "a group is quiet, and the rest of a detached call runs");
  });
}

// A call that detached itself is over: a second closer waits for the end of the captures like any other.
void captures_after_detached_call() {
  timer_service service(on(on_driver{}));
  settle();
  bool destroyed = false;
  timer it(service, [&, last = last_word([&] {
                          pause();
                          destroyed = true;
                        })](firing& now) { now.detach(); });
  it.arm_after(0s);
  settle();
  run_parties([&] { it.close(); },
              [&] {
                check(it.close_and_wait().wait == wait_result::quiet, "a close from outside did not answer quiet");
                check(destroyed, "quiet, and the captures live");
              });
}

// What a member's call did is seen by who waited for its group, also where the call is over by the last look.
void group_waited_for() {
  timer_service service(on(on_driver{}));
  timer_group group(service);
  settle();
  detail::sync_atomic<std::uint32_t> begun{0};
  plain<int> written;
  timer it(group, [&] {
    begun.store(1, std::memory_order_release);
    written.write(1);
  });
  it.arm_after(0s);
  run_parties([&] {
    if (begun.load(std::memory_order_acquire) == 0) return;  // Nothing that this thread knows of to wait for.
    check(group.wait() == wait_result::quiet, "a wait from outside did not answer quiet");
    static_cast<void>(written.read());
  });
}

constexpr std::array scenarios = {
    scenario{"last_shares", "the service goes beside the last handle", &last_shares},
    scenario{"shutdown_at_once", "a shutdown that does not wait beside a call", &shut_down_at_once},
    scenario{"outlives_shutdown", "the end of the service beside a call that its shutdown gave up", &outlives_shutdown},
    scenario{"born_shut_down", "a timer is made beside the shutdown", &born_beside_shutdown},
    scenario{"due_shut_down", "a timer is made beside a shutdown that runs what is due", &due_beside_shutdown},
    scenario{"continued_shut_down", "a continuation starts beside the shutdown", &continued_beside_shutdown},
    scenario{"turn_beside_end", "a serial group's turn beside the end of the service", &turn_beside_end},
    scenario{"detach_lets_go", "a close beside a call that detaches itself", &let_go_by_detach<false>},
    scenario{"detach_outlives", "the destructor beside a call that detaches itself", &let_go_by_detach<true>},
    scenario{"group_after_detach", "a group's close beside a call that detaches itself", &group_waits_for_the_rest},
    scenario{"group_waited_for", "a wait for a group beside a member's call", &group_waited_for},
    scenario{"detached_closers", "two closers after a call that detached itself", &captures_after_detached_call},
};

}  // namespace

std::span<const scenario> ending_scenarios() noexcept { return scenarios; }

}  // namespace detent::explore
