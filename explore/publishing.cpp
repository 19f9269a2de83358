#include "explore/publishing.hpp"

#include "explore/execution.hpp"

#include <detent/detent.hpp>
#include <detent/testing.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace detent::explore {

namespace {

using namespace std::chrono_literals;

service_options on(const executor_choice& executor) {
  service_options options;
  options.executor = executor;
  return options;
}

// Calls `when_destroyed` once, when it is destroyed as what a timer captured.
template <class F>
class last_word {
 public:
  explicit last_word(F when_destroyed) noexcept : said_(std::move(when_destroyed)) {}
  last_word(last_word&& other) noexcept : said_(std::move(other.said_)), mine_(std::exchange(other.mine_, false)) {}
  last_word(const last_word&) = delete;
  last_word& operator=(const last_word&) = delete;
  ~last_word() {
    if (mine_) said_();
  }

 private:
  F said_;
  bool mine_ = true;
};

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

// --- The captures ----------------------------------------------------------------------------------------------------

// Whoever destroys the captures sees what the closer did before, and what the calls did.
template <bool Waited>
void captures_see() {
  timer_service service(on(on_driver{}));
  settle();
  plain<int> before_close;
  plain<int> by_call;
  bool destroyed = false;
  timer it(service, [&, last = last_word([&] {
                          check(before_close.read() == 1, "the captures do not see what was done before the close");
                          by_call.write(2);
                          destroyed = true;
                        })] {
    by_call.write(1);
    pause();
  });
  it.arm_after(0s);
  const auto close = [&] {
    before_close.write(1);
    it.close();
  };
  if constexpr (Waited) {
    run_parties(close, [&] { static_cast<void>(it.wait()); });
  } else {
    run_parties(close);
  }
  check(it.wait() == wait_result::quiet && destroyed, "the captures live on after the close");
}

// A timer that nobody holds ends by itself, or by the shutdown: then its captures see what was done before that.
void spent_or_shut_down() {
  timer_service service(on(on_driver{}));
  settle();
  plain<int> before_shutdown;
  timer_id id;
  id = service.once(0s, [&, last = last_word([&] {
                              bool is_shut_down = false;
                              aside([&] { is_shut_down = service.status(id) == timer_state::shut_down; });
                              if (is_shut_down)
                                check(before_shutdown.read() == 1, "the captures do not see the shutdown");
                            })] { pause(); });
  run_parties([&] {
    before_shutdown.write(1);
    service.shutdown();
  });
}

// --- Withdrawing -----------------------------------------------------------------------------------------------------

// The word that the canceller has read is there again when it is replaced: a call came and went in between.
template <bool ById>
void cancelled_again() {
  timer_service service(on(on_driver{}));
  settle();
  const auto then = steady_clock::time_point(duration(now_ns()));
  int calls = 0;
  bool in_call = false;
  plain<int> written;
  timer it(service, [&] {
    in_call = true;
    written.write(++calls);
    pause();
    if (calls == 1) it.arm_at(then);
    in_call = false;
  });
  it.arm_at(then);
  run_parties([&] {
    if ((ById ? service.cancel(it.id()) : it.cancel()) != cancel_result::cancelled) return;
    check(!in_call, "cancelled, and a call is in progress");
    check(written.read() == calls, "what the last call wrote is not seen after the cancel");
  });
}

// A canceller finds nothing pending and no call, while somebody else waited for that call.
void cancelled_beside_wait() {
  timer_service service(on(on_driver{}));
  settle();
  plain<int> written;
  timer it(service, [&] {
    written.write(1);
    pause();
  });
  it.arm_after(0s);
  run_parties([&] { static_cast<void>(it.wait()); },
              [&] {
                if (it.cancel() == cancel_result::idle) check(written.read() == 1, "idle, and the call is not seen");
              });
}

// A canceller comes too late: what it replaces has become nothing meanwhile, and it says so.
void cancelled_late() {
  timer_service service(on(on_driver{}));
  settle();
  plain<int> written;
  timer it(service, [&] { written.write(1); });
  it.arm_after(0s);
  run_parties([&] {
    if (service.cancel(it.id()) == cancel_result::idle) check(written.read() == 1, "idle, and the call is not seen");
  });
}

// --- Stopping --------------------------------------------------------------------------------------------------------

// Who asks a call to stop is heard by that call, and seen.
template <bool Series>
void stop_heard() {
  timer_service service(on(on_driver{}));
  settle();
  plain<int> before_stop;
  detail::sync_atomic<std::uint32_t> asked{0};
  int calls = 0;
  timer it(service, [&](firing& now) {
    if (++calls != 1) return;
    for (int i = 0; i < 3; ++i) {
      const bool was_asked = asked.load(std::memory_order_acquire) == 1;
      const bool told = now.token().stop_requested();
      check(told || !was_asked, "a call that was asked to stop is not told");
      if (!told) continue;
      check(before_stop.read() == 1, "a call is told to stop, and does not see what was done before");
      break;
    }
  });
  if constexpr (Series) {
    series_options how;
    how.first = 0s;
    it.arm_every(1h, how);
  } else {
    it.arm_after(0s);
  }
  run_parties([&] {
    before_stop.write(1);
    if (it.stop() == stop_result::asked) asked.store(1, std::memory_order_release);
  });
}

// --- Ids -------------------------------------------------------------------------------------------------------------

// The status by an id is that of its timer, never that of the next tenant.
void status_by_id() {
  timer_service service(on(on_driver{}));
  settle();
  std::optional<timer> first(std::in_place, service, [] {});
  const timer_id id = first->id();
  first->arm_after(1h);
  settle();
  std::optional<timer> second;
  run_parties(
      [&] {
        const timer_state found = service.status(id);
        check(found == timer_state::pending || found == timer_state::closed, "an id answers for another timer");
      },
      [&] {
        first.reset();
        second.emplace(service, [] {});
        check(second->id().index == id.index, "the record was not used again");
      });
}

// A timer that nobody holds is gone: whoever hears so by its id sees what its call did.
void gone_by_id() {
  timer_service service(on(on_driver{}));
  settle();
  plain<int> written;
  const timer_id id = service.once(0s, [&] { written.write(1); });
  run_parties([&] {
    const cancel_answer found = service.close_and_wait(id);
    check(found.wait == wait_result::quiet, "a wait from outside every callback did not answer quiet");
    if (found.outcome != cancel_result::cancelled)
      check(written.read() == 1, "the call of a timer that is gone is not seen");
  });
}

// An id is a number: it may come before its timer is there. And who looks at all timers may see one being made.
template <bool All>
void id_too_early() {
  timer_service service(on(on_driver{}));
  settle();
  std::optional<timer> it;
  run_parties([&] { it.emplace(service, [] {}); },
              [&] {
                if constexpr (All) static_cast<void>(service.cancel_all());
                else static_cast<void>(service.cancel(timer_id{0, 1}));
              });
}

// Who asks about all timers, beside one that goes and one that comes.
void all_observed() {
  timer_service service(on(on_driver{}));
  settle();
  timer_options named;
  named.name = "first";
  std::optional<timer> first(std::in_place, service, named, [] {});
  const timer_id id = first->id();
  first->arm_after(1h);
  settle();
  run_parties(
      [&] {
        const std::optional<timer_info> told = service.info(id);
        check(!told.has_value() || told->name == "first", "an id tells of another timer");
        for (const timer_info& each : service.snapshot()) {
          check(each.name == "first" || each.name == "other", "a timer was seen half made");
        }
      },
      [&] {
        first.reset();
        timer_options other;
        other.name = "other";
        timer second(service, other, [] {});
        second.arm_after(1h);
      });
}

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
    const bool may_withdraw = !detached;
    if constexpr (Destroyed) {
      it.reset();
    } else {
      check(it->close_and_wait().wait == wait_result::quiet, "a close from outside did not answer quiet");
    }
    if (detached && !may_withdraw) check(before_detach.read() == 1, "what was done before the detach is not seen");
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

constexpr std::array scenarios = {
    scenario{"captures_see", "what is done before a close, and the captures' end", &captures_see<false>},
    scenario{"captures_see_waited", "the same, while somebody waits for the call", &captures_see<true>},
    scenario{"spent_or_shut_down", "an id-only timer ends beside the shutdown", &spent_or_shut_down},
    scenario{"cancel_again", "a cancel of the same deadline, armed again", &cancelled_again<false>},
    scenario{"cancel_again_by_id", "the same, by the id", &cancelled_again<true>},
    scenario{"cancel_beside_wait", "a cancel beside a call that is waited for", &cancelled_beside_wait},
    scenario{"cancel_late", "a cancel by the id beside the whole call", &cancelled_late},
    scenario{"stop_heard", "a stop is heard by the call in progress", &stop_heard<false>},
    scenario{"stop_heard_series", "the same, of a series", &stop_heard<true>},
    scenario{"status_by_id", "a status by id beside the record's next tenant", &status_by_id},
    scenario{"gone_by_id", "a close by the id of a timer that ends by itself", &gone_by_id},
    scenario{"id_too_early", "a verb by an id beside the creation of its timer", &id_too_early<false>},
    scenario{"all_too_early", "a verb on all timers beside the creation of the first", &id_too_early<true>},
    scenario{"observed", "info and snapshot beside the record's next tenant", &all_observed},
    scenario{"last_shares", "the service goes beside the last handle", &last_shares},
    scenario{"shutdown_at_once", "a shutdown that does not wait beside a call", &shut_down_at_once},
    scenario{"born_shut_down", "a timer is made beside the shutdown", &born_beside_shutdown},
    scenario{"due_shut_down", "a timer is made beside a shutdown that runs what is due", &due_beside_shutdown},
    scenario{"continued_shut_down", "a continuation starts beside the shutdown", &continued_beside_shutdown},
    scenario{"turn_beside_end", "a serial group's turn beside the end of the service", &turn_beside_end},
    scenario{"detach_lets_go", "a close beside a call that detaches itself", &let_go_by_detach<false>},
    scenario{"detach_outlives", "the destructor beside a call that detaches itself", &let_go_by_detach<true>},
    scenario{"group_after_detach", "a group's close beside a call that detaches itself", &group_waits_for_the_rest},
    scenario{"detached_closers", "two closers after a call that detached itself", &captures_after_detached_call},
    scenario{"armers_asleep", "two armers of one timer while the driver sleeps", &two_armers_asleep},
    scenario{"in_hand_on_inbox", "armed from outside and inside a call on a pool", &in_hand_and_on_inbox},
    scenario{"poll_awaited", "an arming while the driver sleeps in its poll", &poll_awaited},
    scenario{"poll_opened", "the first timer of another clock beside an arming", &poll_opened},
    scenario{"fd_beside_run_due", "the poll of a user's loop is opened beside a look", &poll_opened_by_user},
    scenario{"moved_by_two", "two threads move a manual clock", &moved_by_two},
};

}  // namespace

std::span<const scenario> publishing_scenarios() noexcept { return scenarios; }

}  // namespace detent::explore
