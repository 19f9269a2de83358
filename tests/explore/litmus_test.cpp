// Goal: the explorer shows what the C++ memory model allows, and nothing that it forbids.
// Method: the classic small programs, explored to the end; each with its twin that lacks one order. Then the mutex, the
// eventcount, a deadlock, a race on plain memory, a use after free, and a schedule that is followed again.
#include "explore/choosers.hpp"
#include "explore/search.hpp"
#include "sync/sync.hpp"

#include <gtest/gtest.h>

namespace {

using namespace detent::explore;
using detent::detail::eventcount;
using detent::detail::lock_guard;
using detent::detail::mutex;
using detent::detail::sync_atomic;

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;

search_options all_schedules() {
  search_options how;
  how.bound = unbounded;
  how.stale_bound = unbounded;
  return how;
}

void expect_held(void (*program)()) {
  const search_result found = search(program, all_schedules());
  EXPECT_EQ(found.last.sentence, "");
  EXPECT_TRUE(found.complete);
  EXPECT_GT(found.executions, 1U);
}

void expect_violated(void (*program)(), const char* sentence) {
  const search_result found = search(program, all_schedules());
  EXPECT_EQ(found.last.what, verdict::violated);
  EXPECT_NE(found.last.sentence.find(sentence), std::string::npos) << found.last.sentence;
  bool fits = false;
  const search_result again = follow(program, found.last.schedule, false, &fits);
  EXPECT_TRUE(fits) << found.last.schedule;
  EXPECT_EQ(again.last.sentence, found.last.sentence);
}

// --- Store buffering
// --------------------------------------------------------------------------------------------------

template <bool InOrder>
void store_buffering() {
  sync_atomic<int> x{0};
  sync_atomic<int> y{0};
  int seen_x = -1;
  int seen_y = -1;
  run_parties(
      [&] {
        x.store(1, release);
        seen_y = InOrder ? y.fetch_add(0, std::memory_order_acq_rel) : y.load(acquire);
      },
      [&] {
        if (InOrder) y.fetch_add(1, std::memory_order_acq_rel);
        else y.store(1, release);
        seen_x = x.load(acquire);
      });
  check(seen_x == 1 || seen_y == 1, "both read the old value");
}

TEST(Litmus, StoreBufferingShowsBothOldValues) { expect_violated(&store_buffering<false>, "both read"); }
TEST(Litmus, AReadModifyWriteOrdersStoreBuffering) { expect_held(&store_buffering<true>); }

// --- Message passing
// --------------------------------------------------------------------------------------------------

template <std::memory_order Store, std::memory_order Load>
void message_passing() {
  plain<int> data;
  sync_atomic<int> flag{0};
  run_parties(
      [&] {
        data.write(42);
        flag.store(1, Store);
      },
      [&] {
        if (flag.load(Load) == 1) check(data.read() == 42, "the message is old");
      });
}

TEST(Litmus, AReleasePassesAMessageToAnAcquire) { expect_held(&message_passing<release, acquire>); }
TEST(Litmus, ARelaxedStorePassesNothing) { expect_violated(&message_passing<relaxed, acquire>, "nothing orders"); }
TEST(Litmus, ARelaxedLoadTakesNothing) { expect_violated(&message_passing<release, relaxed>, "nothing orders"); }

template <std::memory_order Middle>
void release_sequence() {
  plain<int> data;
  sync_atomic<int> flag{0};
  run_parties(
      [&] {
        data.write(42);
        flag.store(1, release);
      },
      [&] { flag.fetch_add(2, Middle); },
      [&] {
        if (flag.load(acquire) == 3) check(data.read() == 42, "the message is old");
      });
}

TEST(Litmus, AReleaseSequenceGoesThroughARelaxedReadModifyWrite) { expect_held(&release_sequence<relaxed>); }

void coherence() {
  sync_atomic<int> x{0};
  run_parties(
      [&] {
        x.store(1, relaxed);
        x.store(2, relaxed);
      },
      [&] {
        const int first = x.load(relaxed);
        check(x.load(relaxed) >= first, "a later load read an older value");
      });
}

TEST(Litmus, AThreadNeverReadsBackwards) { expect_held(&coherence); }

void independent_reads() {
  sync_atomic<int> x{0};
  sync_atomic<int> y{0};
  int a[2];
  int b[2];
  run_parties([&] { x.store(1, release); }, [&] { y.store(1, release); },
              [&] {
                a[0] = x.load(acquire);
                a[1] = y.load(acquire);
              },
              [&] {
                b[0] = y.load(acquire);
                b[1] = x.load(acquire);
              });
  check(!(a[0] == 1 && a[1] == 0 && b[0] == 1 && b[1] == 0), "two readers disagree on the order");
}

TEST(Litmus, IndependentReadersMayDisagree) { expect_violated(&independent_reads, "disagree"); }

// --- Bricks
// -----------------------------------------------------------------------------------------------------------

template <bool Locked>
void counting() {
  mutex lock;
  plain<int> count;
  const auto add = [&] {
    if (Locked) lock.lock();
    count.write(count.read() + 1);
    if (Locked) lock.unlock();
  };
  run_parties(add, add, add);
  check(count.read() == 3, "a count is lost");
}

TEST(Bricks, AMutexExcludes) { expect_held(&counting<true>); }
TEST(Bricks, WithoutOneThereIsARace) { expect_violated(&counting<false>, "nothing orders"); }

enum class brick : int { good, looks_first, no_notify };

template <brick How>
void sleeping_until_set() {
  eventcount moved;
  sync_atomic<int> flag{0};
  plain<int> data;
  run_parties(
      [&] {
        for (;;) {
          if (How == brick::looks_first && flag.load(acquire) != 0) break;
          const eventcount::ticket ticket = moved.prepare();
          if (How != brick::looks_first && flag.load(acquire) != 0) break;
          moved.wait(ticket, detent::detail::platform::forever_ns);
        }
        check(data.read() == 1, "the data is old");
      },
      [&] {
        data.write(1);
        flag.store(1, release);
        if (How != brick::no_notify) moved.notify();
      });
}

TEST(Bricks, AnEventcountLosesNoWakeUp) { expect_held(&sleeping_until_set<brick::good>); }
TEST(Bricks, LookingBeforePrepareLosesOne) { expect_violated(&sleeping_until_set<brick::looks_first>, "deadlock"); }
TEST(Bricks, NotNotifyingLosesOne) { expect_violated(&sleeping_until_set<brick::no_notify>, "deadlock"); }

void two_locks() {
  mutex a;
  mutex b;
  run_parties(
      [&] {
        const lock_guard first(a);
        const lock_guard second(b);
      },
      [&] {
        const lock_guard first(b);
        const lock_guard second(a);
      });
}

TEST(Bricks, TwoLocksInTwoOrdersAreADeadlock) { expect_violated(&two_locks, "deadlock"); }

template <std::memory_order Drop>
void last_share() {
  struct shared {
    sync_atomic<int> shares{2};
  };
  auto* it = new shared;
  const auto drop = [it] {
    if (it->shares.fetch_sub(1, Drop) == 1) delete it;
  };
  run_parties(drop, drop);
}

TEST(Bricks, TheLastShareMayFree) { expect_held(&last_share<std::memory_order_acq_rel>); }
TEST(Bricks, ARelaxedShareFreesTooEarly) { expect_violated(&last_share<relaxed>, "nothing orders"); }

void time_moves() {
  eventcount never_notified;
  const std::int64_t start = now_ns();
  sync_atomic<int> flag{0};
  int seen = 0;
  run_parties(
      [&] {
        const eventcount::ticket ticket = never_notified.prepare();
        never_notified.wait(ticket, start + 1000);
        seen = flag.load(acquire);
      },
      [&] { flag.store(1, release); });
  check(now_ns() == start + 1000, "time stands elsewhere");
  check(seen == 1, "the sleeper woke first");
}

TEST(Bricks, TimeMayMoveBeforeAnybodyElseDoes) { expect_violated(&time_moves, "the sleeper woke first"); }

// A bug of two preemptions is found with the bound 2 and not with the bound 1; by chance too.
void two_preemptions() {
  sync_atomic<int> x{0};
  const auto step = [&](int from, int to) {
    int expected = from;
    return x.compare_exchange_strong(expected, to, std::memory_order_acq_rel, acquire);
  };
  bool met = false;
  run_parties(
      [&] {
        if (step(0, 1) && step(2, 3)) met = x.load(acquire) == 4;
      },
      [&] {
        if (step(1, 2) && step(3, 4)) {
        }
      });
  check(!met, "they met");
}

TEST(Search, FindsWhatItsBoundAllows) {
  search_options how;
  how.bound = 1;
  EXPECT_EQ(search(&two_preemptions, how).last.what, verdict::held);
  how.bound = 3;
  EXPECT_EQ(search(&two_preemptions, how).last.what, verdict::violated);
  how.random_executions = 20000;
  EXPECT_EQ(search(&two_preemptions, how).last.what, verdict::violated);
  how.pct_depth = 4;
  EXPECT_EQ(search(&two_preemptions, how).last.what, verdict::violated);
}

TEST(Search, RefusesAScheduleThatIsNone) {
  bool fits = true;
  static_cast<void>(follow(&coherence, "B3?", false, &fits));
  EXPECT_FALSE(fits);
}

}  // namespace
