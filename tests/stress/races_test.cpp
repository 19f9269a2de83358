// The races of src/lifetime/words.hpp by name. The two parties of each are brought into its window (duel.hpp) until
// they met a thousand times and each order had its share; whatever the order, what the callers were told has to be what
// happened. DETENT_RACES=n wants n meetings of each.
#include "stress/duel.hpp"

#include <detent/detent.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using namespace detent;
using stress::chaos_at;
using stress::happens;
using stress::meeting;
using stress::opponent;
using stress::race;
using stress::role;

service_options on(executor_choice where) {
  service_options options;
  options.executor = where;
  return options;
}

bool withdrew(cancel_result r) { return r == cancel_result::cancelled || r == cancel_result::cancelled_running; }

// Fire against cancel: one of T4, T2 replaces the pending value.
TEST(Race, R_CANCEL) {
  meeting at({role::engine, chaos_at::claim_T4}, {role::here, chaos_at::cancel_T2});
  timer_service service(on(on_driver{}));
  std::atomic<int> fired{0};
  int left = 0;  // What nobody withdrew; over all rounds, since a call that must not be may come after its round.
  timer t{service, [&] { fired.fetch_add(1); }};
  race("R-CANCEL", at, "fired", "cancelled").run([&] {
    at.open_both();
    EXPECT_EQ(t.arm_after(0s), arm_result::armed);
    const bool won = withdrew(t.cancel());
    static_cast<void>(t.wait());
    if (!won) ++left;
    EXPECT_EQ(fired, left);
    return won ? 1 : 0;
  });
}

// Fire against close: T4 first, and the closer waits; T3 first, and the callable dies without its call.
TEST(Race, R_CLOSE) {
  meeting at({role::engine, chaos_at::claim_T4}, {role::here, chaos_at::close_T3});
  timer_service service(on(on_driver{}));
  race("R-CLOSE", at, "fired", "closed").run([&] {
    int fired = 0;  // Not atomic: the close orders it (G11).
    const auto owner = std::make_shared<int>(0);
    timer t{service, [&fired, owner] { ++fired; }};
    at.open_both();
    t.arm_after(0s);
    const cancel_answer answer = t.close_and_wait();
    EXPECT_EQ(answer.wait, wait_result::quiet);
    EXPECT_EQ(owner.use_count(), 1) << "the callable lives on after quiet";
    EXPECT_EQ(fired + (withdrew(answer.outcome) ? 1 : 0), 1);
    return withdrew(answer.outcome) ? 1 : 0;
  });
}

// Close against self-re-arm: T1 refuses a terminal value.
TEST(Race, R_REARM) {
  meeting at({role::engine, chaos_at::arm_T1}, {role::here, chaos_at::close_T3});
  timer_service service(on(on_driver{}));
  race("R-REARM", at, "armed, then closed", "refused").run([&] {
    int calls = 0;
    arm_result rearmed{};
    std::atomic<bool> inside{false};
    timer t;
    t = timer{service, [&] {
                if (++calls != 1) return;
                inside = true;
                rearmed = t.arm_after(0s);
              }};
    at.open_both();
    t.arm_after(0s);
    EXPECT_TRUE(happens([&] { return inside.load(); })) << "a firing that is due did not come";
    const cancel_answer answer = t.close_and_wait();
    EXPECT_EQ(answer.wait, wait_result::quiet);
    EXPECT_TRUE(rearmed == arm_result::armed || rearmed == arm_result::closed);
    // Armed: that firing was withdrawn, or it ran before the close.
    EXPECT_EQ(calls + (withdrew(answer.outcome) ? 1 : 0), rearmed == arm_result::armed ? 2 : 1);
    return rearmed == arm_result::armed ? 0 : 1;
  });
}

// Arm against a queued entry: the entry claims what is due when it runs, or files what is not.
TEST(Race, R_QUEUED) {
  meeting at({role::engine, chaos_at::claim_T4}, {role::here, chaos_at::arm_T1});
  timer_service service(on(pool{1}));
  std::atomic<int> fired{0};
  int left = 0;  // What nobody replaced, over all rounds.
  timer t{service, [&] { fired.fetch_add(1); }};
  race("R-QUEUED", at, "fired", "replaced").run([&] {
    at.open(0);
    t.arm_after(0s);
    at.open(1);
    const bool replaced = t.arm_after(1h) == arm_result::rearmed;
    const bool cancelled = withdrew(t.cancel_and_wait().outcome);
    EXPECT_TRUE(cancelled) << "the new arming is gone";
    if (!replaced) ++left;
    EXPECT_EQ(fired, left);
    return replaced ? 1 : 0;
  });
}

// SB-A: a postponed timer is visited at its old deadline just as somebody arms it for earlier again. Nobody comes to
// the rescue: the armer has to see the raised hint, or the driver the new deadline.
TEST(Race, R_POSTPONE) {
  meeting at({role::engine, chaos_at::file_H2}, {role::here, chaos_at::arm_T1});
  timer_service service(on(on_driver{}));
  std::atomic<int> fired{0};
  timer t{service, [&] { fired.fetch_add(1); }};
  // Long enough to postpone it in time, which depends on who else wants the CPUs.
  auto ahead = std::chrono::nanoseconds(100us);
  race("R-POSTPONE", at, "the armer told", "the driver found it").run([&] {
    fired = 0;
    const std::uint64_t filed = detent::detail::chaos_hits(chaos_at::confirm_T9);
    t.arm_after(ahead);
    EXPECT_TRUE(happens([&] { return detent::detail::chaos_hits(chaos_at::confirm_T9) != filed; }))
        << "a firing that is due did not come";
    at.open(0);
    const bool postponed = t.arm_after(1h) == arm_result::rearmed;  // Else it has fired already.
    at.open(1);
    if (!postponed) at.close();
    // Due after the old deadline: for an earlier one the armer would have to tell in any case.
    else EXPECT_TRUE(happens([&] { return at.has_come(0); })) << "the old deadline was not visited";
    t.arm_after(0s);
    EXPECT_TRUE(happens([&] { return fired == (postponed ? 1 : 2); })) << "an arming was lost";
    ahead = postponed ? std::max(ahead - ahead / 16, std::chrono::nanoseconds(60us))
                      : std::min(2 * ahead, std::chrono::nanoseconds(20ms));
    if (!postponed) return -1;
    return at.was_here(chaos_at::push_I1) ? 0 : 1;
  });
  EXPECT_EQ(service.counters().rescues, 0U);
}

// SB-B: an arming comes as the driver goes to sleep. The driver sees it on the inbox, or the armer sees the sleep.
TEST(Race, R_SLEEP) {
  meeting at({role::engine, chaos_at::sleep_S1}, {role::here, chaos_at::push_I1});
  timer_service service(on(on_driver{}));
  std::atomic<int> fired{0};
  timer second{service, [&] { fired.fetch_add(1); }};
  timer first{service, [&] {
                at.open_both();
                fired.fetch_add(1);
              }};
  race("R-SLEEP", at, "the armer woke it", "the driver saw it").run([&] {
    fired = 0;
    first.arm_after(0s);
    EXPECT_TRUE(happens([&] { return fired != 0; })) << "a firing that is due did not come";
    const std::uint64_t woken = detent::detail::chaos_hits(chaos_at::wake_S3);
    second.arm_after(0s);
    const bool woke = detent::detail::chaos_hits(chaos_at::wake_S3) != woken;
    EXPECT_TRUE(happens([&] { return fired == 2; })) << "an arming was lost";
    return woke ? 0 : 1;
  });
  EXPECT_EQ(service.counters().rescues, 0U);
}

// The last of R-SLEEP: the driver has looked and is about to park as the armer wakes it. The ticket it took before that
// look (S4) ends its sleep at once; without it the driver would sleep to the end of its safety limit, and be rescued.
TEST(Race, R_SLEEP_AndItsTicket) {
  meeting at({role::engine, chaos_at::park_S4}, {role::here, chaos_at::wake_S3});
  timer_service service(on(on_driver{}));
  std::atomic<int> fired{0};
  timer second{service, [&] { fired.fetch_add(1); }};
  timer first{service, [&] {
                at.open_both();
                fired.fetch_add(1);
              }};
  std::uint64_t met = 0;
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    at.reset((i % 64 - 32) * 200);
    fired = 0;
    first.arm_after(0s);
    EXPECT_TRUE(happens([&] { return fired != 0 && at.has_come(0); })) << "the driver does not go to sleep";
    second.arm_after(0s);
    EXPECT_TRUE(happens([&] { return fired == 2; })) << "an arming was lost";
    EXPECT_EQ(service.counters().rescues, 0U) << "the driver slept through its notification";
    if (at.close()) ++met;
  }
  EXPECT_GE(met, 200U);
}

// A series is cancelled inside its callback and from outside: one of the two is told, and no tick comes back.
TEST(Race, R_SERIES) {
  meeting at({role::engine, chaos_at::cancel_T2}, {role::here, chaos_at::cancel_T2});
  timer_service service(on(on_driver{}));
  bool delayed = false;
  race("R-SERIES", at, "by its callback", "from outside").run([&] {
    std::atomic<int> calls{0};
    std::atomic<bool> inside{false};
    cancel_result by_callback{};
    timer t;
    t = timer{service, [&] {
                if (calls.fetch_add(1) != 0) return;
                inside = true;
                by_callback = t.cancel();
              }};
    series_options options;
    options.first = 0s;
    // Both paces: the next tick is in the word, or held.
    delayed = !delayed;
    options.pace = delayed ? pace::fixed_delay : pace::fixed_rate;
    at.open_both();
    t.arm_every(1h, options);
    EXPECT_TRUE(happens([&] { return inside.load(); })) << "a firing that is due did not come";
    const cancel_answer outside = t.cancel_and_wait();
    EXPECT_EQ((by_callback == cancel_result::cancelled_running ? 1 : 0) + (withdrew(outside.outcome) ? 1 : 0), 1);
    EXPECT_EQ(t.status(), timer_state::idle) << "the series goes on";
    EXPECT_EQ(calls, 1);
    return withdrew(outside.outcome) ? 1 : 0;
  });
}

// Two arm_every with different terms: what is left has the terms of one of them, never a mixture. Both write under the
// record's lock, so their window begins before it: at the check of the id.
TEST(Race, R_PERIOD) {
  meeting at({role::here, chaos_at::by_id}, {role::opponent, chaos_at::by_id});
  timer_service service(on(on_driver{}));
  timer t{service, [] {}};
  const timer_id id = t.id();
  opponent other;
  race("R-PERIOD", at, "this one, then the other", "the other, then this one").run([&] {
    t.cancel();
    arm_result theirs{}, mine{};
    series_options sooner, later;
    sooner.first = 10h, later.first = 20h;
    at.open_both();
    other.start([&] { theirs = service.arm_every(id, 7h, sooner); });
    mine = service.arm_every(id, 9h, later);
    other.join();
    EXPECT_NE(theirs, mine) << "both were told the same about what was pending before";
    at.close();
    const auto told = service.info(id);
    EXPECT_TRUE(told.has_value());
    if (!told.has_value()) return -1;
    const bool this_last = told->period == 9h;
    EXPECT_EQ(told->period, this_last ? 9h : 7h);
    EXPECT_EQ(told->due_in > 15h, this_last) << "the period of one series, the deadline of the other";
    EXPECT_EQ(mine == arm_result::rearmed, this_last);
    return this_last ? 1 : 0;
  });
}

// A one-shot replaces a series that is being claimed: the claim must not bring the series back.
TEST(Race, R_KIND) {
  meeting at({role::engine, chaos_at::claim_T4}, {role::here, chaos_at::arm_T1});
  timer_service service(on(on_driver{}));
  std::atomic<int> ticks{0};
  timer t{service, [&] { ticks.fetch_add(1); }};
  race("R-KIND", at, "after a tick", "before it").run([&] {
    ticks = 0;
    series_options options;
    options.first = 0s;
    at.open(0);
    t.arm_every(1h, options);
    at.open(1);
    EXPECT_EQ(t.arm_after(2h), arm_result::rearmed) << "a series is always pending";
    static_cast<void>(t.wait_for(0s));
    const auto told = service.info(t.id());
    EXPECT_TRUE(told.has_value() && told->period == 0s && told->due_in > 90min) << "the series came back";
    EXPECT_EQ(t.cancel_and_wait().wait, wait_result::quiet);
    EXPECT_LE(ticks, 1);
    return ticks == 1 ? 0 : 1;
  });
}

// A verb by id meets the end of that timer and the birth of the next one in the same record.
TEST(Race, R_STRANGER) {
  meeting at({role::opponent, chaos_at::by_id}, {role::here, chaos_at::close_T3});
  timer_service service(on(on_driver{}));
  opponent other;
  std::uint64_t reused = 0;
  race("R-STRANGER", at, "the old timer", "nobody").run([&] {
    std::optional<timer> old{std::in_place, service, [] {}};
    const timer_id id = old->id();
    old->arm_after(1h);
    cancel_result found{};
    at.open_both();
    other.start([&] { found = service.cancel(id); });
    old.reset();
    timer next{service, [] {}};
    next.arm_after(1h);
    other.join();
    if (next.id().index == id.index) ++reused;
    EXPECT_TRUE(found == cancel_result::cancelled || found == cancel_result::closed);
    EXPECT_EQ(next.cancel(), cancel_result::cancelled) << "a stale id reached the next tenant";
    return found == cancel_result::cancelled ? 0 : 1;
  });
  EXPECT_GT(reused, 0U) << "the record was never reused";
}

// A record has its next tenant while the entry of the last one is still being settled.
TEST(Race, R_REUSE) {
  meeting at({role::engine, chaos_at::settle_H4}, {role::here, chaos_at::arm_T1});
  timer_service service(on(pool{1}));
  std::uint64_t reused = 0;
  race("R-REUSE", at, "the armer told", "the entry found it").run([&] {
    std::atomic<int> old_fired{0}, new_fired{0};
    std::optional<timer> old{std::in_place, service, [&] { old_fired.fetch_add(1); }};
    const std::uint32_t index = old->id().index;
    at.open(0);
    old->arm_after(0s);
    EXPECT_TRUE(happens([&] { return old_fired != 0; })) << "a firing that is due did not come";
    old.reset();
    timer next{service, [&] { new_fired.fetch_add(1); }};
    const bool same = next.id().index == index;
    if (same) at.open(1), ++reused;
    else at.close();
    next.arm_after(0s);
    EXPECT_TRUE(happens([&] { return new_fired == 1; })) << "the new tenant was lost";
    EXPECT_EQ(next.close_and_wait().wait, wait_result::quiet);
    EXPECT_EQ(old_fired, 1) << "the old tenant fired after its destructor";
    EXPECT_EQ(new_fired, 1);
    if (!same) return -1;
    return at.was_here(chaos_at::push_I1) ? 0 : 1;
  });
  EXPECT_GT(reused, 0U) << "the record was never reused";
}

// Two close at once; the callable takes a while to be destroyed. Both are told only when it is gone.
TEST(Race, R_ENDERS) {
  struct slow_to_die {
    std::atomic<bool>* gone;
    explicit slow_to_die(std::atomic<bool>* g) : gone(g) {}
    slow_to_die(slow_to_die&& from) noexcept : gone(std::exchange(from.gone, nullptr)) {}
    ~slow_to_die() {
      if (gone == nullptr) return;
      for (const std::int64_t until = stress::now_ns() + 3000; stress::now_ns() < until;) {
      }
      *gone = true;
    }
    void operator()() const {}
  };
  meeting at({role::opponent, chaos_at::close_T3}, {role::here, chaos_at::close_T3});
  timer_service service(on(on_driver{}));
  opponent other;
  race("R-ENDERS", at, "the other closed", "this one closed").run([&] {
    std::atomic<bool> gone{false};
    timer t{service, slow_to_die(&gone)};
    cancel_answer theirs{}, mine{};
    bool gone_for_them = false;
    at.open_both();
    other.start([&] {
      theirs = t.close_and_wait();
      gone_for_them = gone;
    });
    mine = t.close_and_wait();
    const bool gone_for_me = gone;
    other.join();
    EXPECT_TRUE(mine.wait == wait_result::quiet && theirs.wait == wait_result::quiet);
    EXPECT_TRUE(gone_for_me && gone_for_them) << "quiet was answered before the callable was destroyed";
    const bool i_closed = mine.outcome == cancel_result::idle;
    EXPECT_NE(i_closed, theirs.outcome == cancel_result::idle) << "one of the two closes it";
    return i_closed ? 1 : 0;
  });
}

// An executor refuses a firing as somebody cancels it: T12 takes only what is due.
TEST(Race, R_DROP) {
  struct refusing {
    void post(task) {}
  } executor;
  std::atomic<int> dropped{0};
  service_options options = on(executor);
  options.on_error = [&](const callback_error& e) {
    if (e.kind == callback_error::what::dropped) dropped.fetch_add(1);
  };
  meeting at({role::engine, chaos_at::drop_T12}, {role::here, chaos_at::cancel_T2});
  timer_service service(std::move(options));
  timer t{service, [] { ADD_FAILURE() << "a refused firing ran"; }};
  race("R-DROP", at, "dropped", "cancelled").run([&] {
    const int before = dropped;
    at.open_both();
    EXPECT_EQ(t.arm_after(0s), arm_result::armed) << "a timer stays usable after a drop";
    const bool cancelled = withdrew(t.cancel());
    if (!cancelled) {
      EXPECT_TRUE(happens([&] { return dropped == before + 1; })) << "the firing ended in no way at all";
    }
    EXPECT_EQ(dropped - before + (cancelled ? 1 : 0), 1);
    return cancelled ? 1 : 0;
  });
}

}  // namespace
