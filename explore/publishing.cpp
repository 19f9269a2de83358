// publishing: what one thread's step makes visible to another's: each scenario needs some release and acquire.
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

namespace detent::explore {

namespace {

using namespace std::chrono_literals;

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
};

}  // namespace

std::span<const scenario> publishing_scenarios() noexcept { return scenarios; }

}  // namespace detent::explore
