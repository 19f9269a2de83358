// G02 Exactly one end: a one-shot arming ends in exactly one of fired, replaced, cancelled, closed, shut down, dropped;
// a series in one of the same but fired. The call that ended it learns which.
//
// Method: first a table of what every verb answers in every state, each state made by hand under a manual clock and an
// executor that holds its tasks. Then a ledger that books armings and ends from the callers' answers alone and must
// balance at every quiet moment: under random operations on a manual clock over executors of all kinds, and under
// threads in real time.
#include <detent/detent.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/stage.hpp>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::arm_result;
using detent::cancel_result;
using detent::stop_result;
using detent::timer;
using detent::timer_id;
using detent::timer_service;
using detent::timer_state;
using detent::wait_result;

// --- The table of answers ------------------------------------------------------------------------------------------

// One timer in one state, in a service that holds its tasks. `leave` lets a call that was entered return.
class specimen {
 public:
  explicit specimen(const std::string& wanted) {
    if (wanted == "empty") return;
    t = timer(*service, [this] {
      entered.open();
      leave.pass();
    });
    if (wanted == "idle") return;
    if (wanted == "pending") {
      t.arm_after(1h);
    } else if (wanted == "series") {
      t.arm_every(1h);
    } else if (wanted == "queued") {
      t.arm_after(1ms);
      clock.advance(1ms);
    } else if (wanted == "closed") {
      t.close();
    } else if (wanted == "shut_down") {
      service->shutdown();
    } else {
      t.arm_after(1ms);
      clock.advance(1ms);
      runner = std::make_unique<support::background>([this] { executor.run_all(); });
      entered.pass();
      if (wanted == "running_and_pending") t.arm_after(1h);
      if (wanted == "closed_running") t.close();
      if (wanted == "shut_down_running") service->shutdown(detent::shutdown_policy::cancel_pending, 0ns);
    }
  }
  ~specimen() { leave.open(); }

  support::held_executor executor;
  detent::manual_clock clock;
  support::gate entered;
  support::gate leave;
  std::unique_ptr<timer_service> service = [this] {
    detent::service_options options;
    options.clock = &clock;
    options.executor = executor;
    return std::make_unique<timer_service>(std::move(options));
  }();
  timer t;
  std::unique_ptr<support::background> runner;
};

struct answers {
  const char* state;
  arm_result arm;
  cancel_result cancel;  // close finds the same
  wait_result wait;      // of a limit of zero, after the cancel or close
  wait_result plain_wait;
  stop_result stop;
  timer_state status;
};

constexpr answers table[] = {
    {"empty", arm_result::closed, cancel_result::closed, wait_result::quiet, wait_result::quiet, stop_result::idle,
     timer_state::closed},
    {"idle", arm_result::armed, cancel_result::idle, wait_result::quiet, wait_result::quiet, stop_result::idle,
     timer_state::idle},
    {"pending", arm_result::rearmed, cancel_result::cancelled, wait_result::quiet, wait_result::timed_out,
     stop_result::idle, timer_state::pending},
    {"series", arm_result::rearmed, cancel_result::cancelled, wait_result::quiet, wait_result::timed_out,
     stop_result::idle, timer_state::pending},
    {"queued", arm_result::rearmed, cancel_result::cancelled, wait_result::quiet, wait_result::timed_out,
     stop_result::idle, timer_state::queued},
    {"running", arm_result::armed, cancel_result::running, wait_result::timed_out, wait_result::timed_out,
     stop_result::asked, timer_state::running},
    {"running_and_pending", arm_result::rearmed, cancel_result::cancelled_running, wait_result::timed_out,
     wait_result::timed_out, stop_result::asked, timer_state::running},
    {"closed", arm_result::closed, cancel_result::closed, wait_result::quiet, wait_result::quiet, stop_result::idle,
     timer_state::closed},
    {"closed_running", arm_result::closed, cancel_result::closed, wait_result::timed_out, wait_result::timed_out,
     stop_result::asked, timer_state::closed},
    {"shut_down", arm_result::shut_down, cancel_result::shut_down, wait_result::quiet, wait_result::quiet,
     stop_result::idle, timer_state::shut_down},
    {"shut_down_running", arm_result::shut_down, cancel_result::shut_down, wait_result::timed_out,
     wait_result::timed_out, stop_result::asked, timer_state::shut_down},
};

class G02_answers : public ::testing::TestWithParam<answers> {};

TEST_P(G02_answers, of_arm) {
  EXPECT_EQ(specimen(GetParam().state).t.arm_after(1s), GetParam().arm);
  EXPECT_EQ(specimen(GetParam().state).t.arm_at(detent::steady_clock::time_point(5h)), GetParam().arm);
  EXPECT_EQ(specimen(GetParam().state).t.arm_every(1s), GetParam().arm);
  EXPECT_EQ(specimen(GetParam().state).t.arm_every(detent::steady_clock::time_point(5h), 1s), GetParam().arm);
}
TEST_P(G02_answers, of_cancel) { EXPECT_EQ(specimen(GetParam().state).t.cancel(), GetParam().cancel); }
TEST_P(G02_answers, of_close) { EXPECT_EQ(specimen(GetParam().state).t.close(), GetParam().cancel); }
TEST_P(G02_answers, of_cancel_and_wait_for) {
  const detent::cancel_answer got = specimen(GetParam().state).t.cancel_and_wait_for(0ns);
  EXPECT_EQ(got.outcome, GetParam().cancel);
  EXPECT_EQ(got.wait, GetParam().wait);
}
TEST_P(G02_answers, of_close_and_wait_for) {
  const detent::cancel_answer got = specimen(GetParam().state).t.close_and_wait_for(0ns);
  EXPECT_EQ(got.outcome, GetParam().cancel);
  EXPECT_EQ(got.wait, GetParam().wait);
}
TEST_P(G02_answers, of_wait_for) { EXPECT_EQ(specimen(GetParam().state).t.wait_for(0ns), GetParam().plain_wait); }
TEST_P(G02_answers, of_stop) { EXPECT_EQ(specimen(GetParam().state).t.stop(), GetParam().stop); }
TEST_P(G02_answers, of_status) { EXPECT_EQ(specimen(GetParam().state).t.status(), GetParam().status); }
TEST_P(G02_answers, of_a_second_cancel_and_a_second_close) {
  specimen s(GetParam().state);
  s.t.cancel();
  const cancel_result second = s.t.cancel();
  EXPECT_TRUE(second == cancel_result::idle || second == cancel_result::running || second == GetParam().cancel);
  EXPECT_NE(second, cancel_result::cancelled);
  EXPECT_NE(second, cancel_result::cancelled_running);
  s.t.close();
  const cancel_result last = s.t.close();
  EXPECT_EQ(last, GetParam().cancel == cancel_result::shut_down ? cancel_result::shut_down : cancel_result::closed);
}

// The same by the timer's id.
TEST_P(G02_answers, by_id) {
  const std::string state = GetParam().state;
  if (state == "empty") GTEST_SKIP() << "has no id";
  const auto by_id = [&](auto verb) {
    specimen s(GetParam().state);
    return verb(*s.service, s.t.id());
  };
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.arm_after(id, 1s); }), GetParam().arm);
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.arm_every(id, 1s); }), GetParam().arm);
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.cancel(id); }), GetParam().cancel);
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.close(id); }), GetParam().cancel);
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.cancel_and_wait_for(id, 0ns).outcome; }),
            GetParam().cancel);
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.close_and_wait_for(id, 0ns).wait; }), GetParam().wait);
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.wait_for(id, 0ns); }), GetParam().plain_wait);
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.stop(id); }), GetParam().stop);
  EXPECT_EQ(by_id([](timer_service& s, timer_id id) { return s.status(id); }), GetParam().status);
}

INSTANTIATE_TEST_SUITE_P(, G02_answers, ::testing::ValuesIn(table),
                         [](const auto& row) { return std::string(row.param.state); });

TEST(G02_one_end, a_refused_period_leaves_what_is_pending) {
  detent::manual_clock clock;
  timer_service service(clock);
  int fired = 0;
  timer t(service, [&] { ++fired; });
  t.arm_after(5ms);
  EXPECT_EQ(t.arm_every(0ns), arm_result::refused);
  EXPECT_EQ(t.arm_every(-1s), arm_result::refused);
  EXPECT_EQ(service.arm_every(t.id(), 0ns), arm_result::refused);
  clock.advance(5ms);
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(service.every(0ns, [] {}));
}

TEST(G02_one_end, an_id_of_no_timer_answers_closed) {
  detent::manual_clock clock;
  timer_service service(clock);
  timer gone(service, [] {});
  const timer_id old = gone.id();
  gone = timer();
  timer next(service, [] {});  // Lives where the other did, and must not notice.
  ASSERT_EQ(next.id().index, old.index);
  next.arm_after(1h);
  for (const timer_id id : {timer_id{}, old, timer_id{123456, 1}, timer_id{0xFFFFFFFF, 0xFFFFFFFF}, timer_id{0, 99}}) {
    EXPECT_EQ(service.arm_after(id, 1s), arm_result::closed) << id.value();
    EXPECT_EQ(service.cancel(id), cancel_result::closed) << id.value();
    EXPECT_EQ(service.close(id), cancel_result::closed) << id.value();
    EXPECT_EQ(service.close_and_wait(id).outcome, cancel_result::closed) << id.value();
    EXPECT_EQ(service.close_and_wait(id).wait, wait_result::quiet) << id.value();
    EXPECT_EQ(service.cancel_and_wait(id).wait, wait_result::quiet) << id.value();
    EXPECT_EQ(service.wait(id), wait_result::quiet) << id.value();
    EXPECT_EQ(service.stop(id), stop_result::idle) << id.value();
    EXPECT_EQ(service.status(id), timer_state::closed) << id.value();
    EXPECT_FALSE(service.info(id).has_value()) << id.value();
    bool ran = false;
    EXPECT_EQ(service.close_then(id, [&ran] { ran = true; }), detent::then_result::accepted);
    clock.settle();
    EXPECT_TRUE(ran) << "nothing is left to wait for";
    EXPECT_EQ(next.status(), timer_state::pending) << id.value();
  }
}

// As any handle moved from, a group moved from is empty: so is what is made in it.
TEST(G02_one_end, a_group_moved_from_is_a_home_of_nothing) {
  detent::manual_clock clock;
  timer_service service(clock);
  detent::timer_group from(service);
  detent::timer_group group(std::move(from));
  timer t(from, [] { ADD_FAILURE(); });  // NOLINT(bugprone-use-after-move): it is what this is about
  EXPECT_FALSE(t);
  EXPECT_EQ(t.arm_after(0ns), arm_result::closed);
  EXPECT_EQ(t.status(), timer_state::closed);
  detent::timer_group child(from);
  EXPECT_EQ(child.size(), 0U);
  timer of_child(child, [] { ADD_FAILURE(); });
  EXPECT_EQ(of_child.arm_after(0ns), arm_result::closed);
  clock.advance(1s);
}

// Born closed: nothing throws, every verb answers.
TEST(G02_one_end, born_closed_in_a_closed_group_and_in_a_shut_down_service) {
  detent::manual_clock clock;
  timer_service service(clock);
  detent::timer_group group(service);
  group.close();
  timer closed(group, [] { ADD_FAILURE(); });
  EXPECT_TRUE(closed);
  EXPECT_EQ(closed.arm_after(0ns), arm_result::closed);
  EXPECT_EQ(closed.cancel(), cancel_result::closed);
  EXPECT_EQ(closed.close_and_wait().outcome, cancel_result::closed);
  EXPECT_EQ(closed.status(), timer_state::closed);
  service.shutdown();
  timer late(service, [] { ADD_FAILURE(); });
  EXPECT_EQ(late.arm_after(0ns), arm_result::shut_down);
  EXPECT_EQ(late.arm_every(1s), arm_result::shut_down);
  EXPECT_EQ(late.cancel(), cancel_result::shut_down);
  EXPECT_EQ(late.close(), cancel_result::shut_down);
  EXPECT_FALSE(service.once(0ns, [] { ADD_FAILURE(); }));
  EXPECT_FALSE(service.every(1s, [] { ADD_FAILURE(); }));
  clock.advance(1min);
}

// --- The ledger ----------------------------------------------------------------------------------------------------

struct ledger {
  std::atomic<std::int64_t> armed{0};
  std::atomic<std::int64_t> fired{0};
  std::atomic<std::int64_t> replaced{0};
  std::atomic<std::int64_t> cancelled{0};
  std::atomic<std::int64_t> closed{0};
  std::atomic<std::int64_t> shut_down{0};
  std::atomic<std::int64_t> dropped{0};

  void book(arm_result r) {
    if (r == arm_result::armed || r == arm_result::rearmed) armed.fetch_add(1);
    if (r == arm_result::rearmed) replaced.fetch_add(1);
  }
  static bool withdrew(cancel_result r) {
    return r == cancel_result::cancelled || r == cancel_result::cancelled_running;
  }
  void book_cancel(cancel_result r) { cancelled.fetch_add(withdrew(r) ? 1 : 0); }
  void book_close(cancel_result r) { closed.fetch_add(withdrew(r) ? 1 : 0); }
  std::int64_t pending() const { return armed - fired - replaced - cancelled - closed - shut_down - dropped; }
};

enum class kind_of_executor { driver, pool, inlined, reversing, dropping, throwing };

constexpr const char* name_of(kind_of_executor kind) {
  switch (kind) {
    case kind_of_executor::driver: return "driver";
    case kind_of_executor::pool: return "pool";
    case kind_of_executor::inlined: return "inlined";
    case kind_of_executor::reversing: return "reversing";
    case kind_of_executor::dropping: return "dropping";
    case kind_of_executor::throwing: return "throwing";
  }
  return "unknown";
}

class G02_ledger : public ::testing::TestWithParam<kind_of_executor> {};

TEST_P(G02_ledger, balances_at_every_quiet_moment_under_random_operations) {
  support::inline_executor inlined;
  support::held_executor held;
  support::dropping_executor dropping(3);
#if DETENT_EXCEPTIONS
  support::throwing_executor throwing(3);
#endif
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    ledger one_shots;
    ledger series;
    detent::manual_clock clock;
    std::vector<timer_id> series_ids;
    detent::service_options options;
    options.clock = &clock;
    options.on_error = [&](const detent::callback_error& error) {
      ASSERT_EQ(error.kind, detent::callback_error::what::dropped);
      EXPECT_EQ(error.exception, nullptr);
      // A series goes on after a tick that was dropped.
      if (error.timer.name == "one_shot") one_shots.dropped.fetch_add(1);
    };
    switch (GetParam()) {
      case kind_of_executor::driver: options.executor = detent::on_driver{}; break;
      case kind_of_executor::pool: options.executor = detent::pool{3}; break;
      case kind_of_executor::inlined: options.executor = inlined; break;
      case kind_of_executor::reversing: options.executor = held; break;
      case kind_of_executor::dropping: options.executor = dropping; break;
      case kind_of_executor::throwing:
#if DETENT_EXCEPTIONS
        options.executor = throwing;
#else
        GTEST_SKIP() << "nothing can throw";
#endif
        break;
    }
    timer_service service(std::move(options));
    detent::timer_group group(service);

    struct one {
      timer t;
      std::atomic<int> plan{0};  // what its callback does next
    };
    std::array<one, 8> shots;
    std::array<timer, 4> ticking;
    const auto make_shot = [&](one& o) {
      o.t = timer(group, {.name = "one_shot"}, [&one_shots, &o] {
        one_shots.fired.fetch_add(1);
        switch (o.plan.load()) {
          case 1: one_shots.book(o.t.arm_after(3ms)); break;
          case 2:
            one_shots.book(o.t.arm_after(0ns));
            one_shots.book_cancel(o.t.cancel());
            break;
          case 3: one_shots.book_close(o.t.close()); break;
          default: break;
        }
      });
    };
    const auto make_series = [&](timer& t) { t = timer(service, {.name = "series"}, [] {}); };
    for (one& o : shots) make_shot(o);
    for (timer& t : ticking) make_series(t);

    const auto pending_of = [&] {
      std::int64_t count = 0;
      for (const one& o : shots) {
        count += o.t.status() == timer_state::pending || o.t.status() == timer_state::queued ? 1 : 0;
      }
      return count;
    };
    for (int step = 0; step < 1500; ++step) {
      one& o = shots[random() % shots.size()];
      timer& t = ticking[random() % ticking.size()];
      const auto delay = std::chrono::milliseconds(random() % 6);
      switch (random() % 12) {
        case 0:
        case 1:
        case 2: one_shots.book(o.t.arm_after(delay)); break;
        case 3: one_shots.book(service.arm_after(o.t.id(), delay)); break;
        case 4: one_shots.book_cancel(o.t.cancel()); break;
        case 5: one_shots.book_cancel(service.cancel(o.t.id())); break;
        case 6:
          one_shots.book_close(random() % 2 == 0 ? o.t.close() : o.t.close_and_wait_for(0ns).outcome);
          if (random() % 2 == 0) make_shot(o);
          break;
        case 7: o.plan.store(static_cast<int>(random() % 4)); break;
        case 8: series.book(t.arm_every(1ms + delay)); break;
        case 9: series.book_cancel(t.cancel()); break;
        case 10:
          if (random() % 40 == 0) one_shots.cancelled.fetch_add(static_cast<std::int64_t>(group.cancel()));
          break;
        default:
          clock.advance(std::chrono::milliseconds(random() % 4));
          if (random() % 2 == 0) held.run_reversed();
          break;
      }
      ASSERT_EQ(one_shots.pending(), pending_of()) << "step " << step;
      std::int64_t live = 0;
      for (const timer& each : ticking) {
        live += each.status() == timer_state::pending || each.status() == timer_state::queued ? 1 : 0;
      }
      ASSERT_EQ(series.pending(), live) << "step " << step;
    }
    const auto still = one_shots.pending() + series.pending();
    const detent::shutdown_report report = service.shutdown();
    EXPECT_EQ(static_cast<std::int64_t>(report.cancelled), still);
    EXPECT_TRUE(report.complete);
    held.run_all();
    for (one& o : shots) EXPECT_FALSE(ledger::withdrew(o.t.close()));
  }
}

INSTANTIATE_TEST_SUITE_P(, G02_ledger,
                         ::testing::Values(kind_of_executor::driver, kind_of_executor::pool, kind_of_executor::inlined,
                                           kind_of_executor::reversing, kind_of_executor::dropping,
                                           kind_of_executor::throwing),
                         [](const auto& row) { return std::string(name_of(row.param)); });

// Threads arm, cancel and close the same few timers while they fire; whatever the interleaving, every arming has one
// end.
class G02_threads : public support::on_scene {};

TEST_P(G02_threads, the_answers_of_all_threads_add_up) {
  ledger book;
  constexpr int timers = 4;
  struct one {
    timer t;
  };
  std::array<one, timers> shots;
  for (int i = 0; i < timers; ++i) {
    one& o = shots[static_cast<std::size_t>(i)];
    o.t = timer(service, [&book, &o, again = i % 2 == 0] {
      book.fired.fetch_add(1);
      if (again && book.fired.load() % 3 == 0) book.book(o.t.arm_after(1us));
    });
  }
  {
    std::vector<std::unique_ptr<support::background>> threads;
    for (unsigned seed = 0; seed < 4; ++seed) {
      threads.push_back(std::make_unique<support::background>([&, seed] {
        std::mt19937 random(seed);
        for (int i = 0; i < 15'000; ++i) {
          timer& t = shots[random() % timers].t;
          switch (random() % 8) {
            case 0:
            case 1: book.book(t.arm_after(std::chrono::microseconds(random() % 40))); break;
            case 2: book.book(service.arm_after(t.id(), std::chrono::microseconds(random() % 40))); break;
            case 3: book.book(t.arm_after(1h)); break;
            case 4: book.book_cancel(t.cancel()); break;
            case 5: book.book_cancel(t.cancel_and_wait().outcome); break;
            case 6: std::this_thread::yield(); break;
            default: book.book_cancel(service.cancel(t.id())); break;
          }
        }
      }));
    }
  }
  book.book(shots[0].t.arm_after(0ns));  // On a busy machine the threads may have been over before the first call.
  support::eventually([&] { return book.fired.load() != 0; });
  std::vector<std::unique_ptr<support::background>> closers;
  for (one& o : shots) {
    for (int i = 0; i < 2; ++i) {
      closers.push_back(std::make_unique<support::background>([&] { book.book_close(o.t.close_and_wait().outcome); }));
    }
  }
  closers.clear();
  EXPECT_EQ(book.pending(), 0) << "armed " << book.armed << " fired " << book.fired << " replaced " << book.replaced
                               << " cancelled " << book.cancelled << " closed " << book.closed;
  EXPECT_EQ(static_cast<std::int64_t>(service.counters().fired), book.fired.load());
}

INSTANTIATE_TEST_SUITE_P(, G02_threads, ::testing::ValuesIn(support::threaded_scenes), support::scene_name);

TEST_P(G02_threads, a_shutdown_among_them_ends_what_nobody_else_ended) {
  for (int round = 0; round < 30; ++round) {
    support::stage own(GetParam());
    ledger book;
    std::array<timer, 4> shots;
    for (timer& t : shots) t = timer(own.service(), [&book] { book.fired.fetch_add(1); });
    support::gate go;
    std::vector<std::unique_ptr<support::background>> threads;
    for (unsigned seed = 0; seed < 3; ++seed) {
      threads.push_back(std::make_unique<support::background>([&, seed] {
        std::mt19937 random(seed + static_cast<unsigned>(round) * 8);
        for (int i = 0; i < 400; ++i) {
          timer& t = shots[random() % shots.size()];
          if (random() % 3 == 0) book.book_cancel(t.cancel());
          else book.book(t.arm_after(std::chrono::microseconds(random() % 60)));
          if (i == 100) go.open();
        }
      }));
    }
    go.pass();
    book.shut_down.fetch_add(static_cast<std::int64_t>(own.service().shutdown().cancelled));
    threads.clear();
    EXPECT_EQ(book.pending(), 0) << "round " << round;
  }
}

// --- Dropped -------------------------------------------------------------------------------------------------------

TEST(G02_one_end, a_dropped_firing_is_counted_reported_by_name_and_leaves_the_timer_usable) {
  detent::manual_clock clock;
  support::held_executor executor;
  std::vector<std::string> told;
  detent::service_options options;
  options.clock = &clock;
  options.executor = executor;
  options.on_error = [&](const detent::callback_error& e) { told.push_back(e.timer.name); };
  timer_service service(std::move(options));
  int fired = 0;
  timer t(service, {.name = "lost one"}, [&] { ++fired; });
  t.arm_after(1ms);
  clock.advance(1ms);
  EXPECT_EQ(executor.drop_all(), 1U);
  EXPECT_EQ(told, std::vector<std::string>{"lost one"});
  EXPECT_EQ(service.counters().dropped, 1U);
  EXPECT_EQ(t.status(), timer_state::idle);
  EXPECT_EQ(t.cancel(), cancel_result::idle) << "the arming had its end";
  EXPECT_EQ(t.arm_after(1ms), arm_result::armed);
  clock.advance(1ms);
  executor.run_all();
  EXPECT_EQ(fired, 1);
}

TEST(G02_one_end, dropping_the_task_of_a_withdrawn_or_postponed_firing_ends_nothing) {
  detent::manual_clock clock;
  support::held_executor executor;
  detent::service_options options;
  options.clock = &clock;
  options.executor = executor;
  options.on_error = [&](const detent::callback_error&) { ADD_FAILURE() << "nothing was dropped"; };
  timer_service service(std::move(options));
  int fired = 0;
  timer t(service, [&] { ++fired; });
  t.arm_after(1ms);
  clock.advance(1ms);
  EXPECT_EQ(t.arm_after(10ms), arm_result::rearmed);
  executor.drop_all();
  clock.advance(10ms);
  executor.run_all();
  EXPECT_EQ(fired, 1) << "the postponed firing is not the one that was dropped";
  t.arm_after(1ms);
  clock.advance(1ms);
  EXPECT_EQ(t.cancel(), cancel_result::cancelled);
  executor.drop_all();
  EXPECT_EQ(service.counters().dropped, 0U);
}

// Handles and tasks keep the core, and the core what it needs to tell the time.
TEST(G02_one_end, tasks_and_handles_that_outlive_service_and_clock_do_nothing) {
  for (const bool drop : {false, true}) {
    support::held_executor executor;
    auto clock = std::make_unique<detent::manual_clock>();
    detent::service_options options;
    options.clock = clock.get();
    options.executor = executor;
    auto service = std::make_unique<timer_service>(std::move(options));
    timer t(*service, [] { ADD_FAILURE(); });
    t.arm_after(1ms);
    clock->advance(1ms);
    ASSERT_EQ(executor.size(), 1U);
    service.reset();
    clock.reset();
    EXPECT_EQ(t.arm_after(1ms), arm_result::shut_down);
    EXPECT_EQ(t.arm_every(1ms), arm_result::shut_down);
    EXPECT_EQ(t.cancel(), cancel_result::shut_down);
    EXPECT_EQ(t.status(), timer_state::shut_down);
    if (drop) executor.drop_all();
    else executor.run_all();
    EXPECT_EQ(t.close_and_wait().outcome, cancel_result::shut_down);
  }
}

TEST(G02_one_end, a_series_goes_on_after_a_dropped_tick) {
  detent::manual_clock clock;
  support::held_executor executor;
  int dropped = 0;
  detent::service_options options;
  options.clock = &clock;
  options.executor = executor;
  options.on_error = [&](const detent::callback_error&) { ++dropped; };
  timer_service service(std::move(options));
  for (const auto pace : {detent::pace::fixed_rate, detent::pace::fixed_delay}) {
    int fired = 0;
    timer t(service, [&] { ++fired; });
    t.arm_every(10ms, {.pace = pace});
    dropped = 0;
    for (int i = 0; i < 6; ++i) {
      clock.advance(10ms);
      if (i % 2 == 0) executor.drop_all();
      else executor.run_all();
    }
    EXPECT_EQ(fired, 3);
    EXPECT_EQ(dropped, 3);
    EXPECT_EQ(t.cancel(), cancel_result::cancelled) << "the series itself was not ended";
  }
}

// A series counts its firings and the ticks another firing stood for.
TEST(G02_one_end, firings_and_missed_ticks_of_a_series_add_up_to_the_time) {
  detent::manual_clock clock;
  support::held_executor executor;
  detent::service_options options;
  options.clock = &clock;
  options.executor = executor;
  timer_service service(std::move(options));
  std::uint64_t fired = 0;
  std::uint64_t missed = 0;
  timer t(service, [&](detent::firing& f) {
    ++fired;
    missed += f.missed();
  });
  t.arm_every(1ms);
  std::mt19937 random(5);
  std::int64_t passed = 0;
  for (int i = 0; i < 200; ++i) {
    const auto d = static_cast<std::int64_t>(random() % 7);
    passed += d;
    clock.advance(std::chrono::milliseconds(d));
    executor.run_all();
    EXPECT_EQ(static_cast<std::int64_t>(fired + missed), passed);
  }
  EXPECT_EQ(service.counters().fired, fired);
  EXPECT_EQ(service.counters().missed, missed);
  EXPECT_EQ(t.close(), cancel_result::cancelled);
}

// --- Timers that only their id names --------------------------------------------------------------------------------

TEST(G02_one_end, once_and_every_end_by_themselves_or_by_the_first_who_ends_them) {
  detent::manual_clock clock;
  timer_service service(clock);
  int fired = 0;
  const timer_id first = service.once(1ms, [&] { ++fired; });
  const timer_id second = service.once(1ms, [&] { ++fired; });
  const timer_id third = service.every(1ms, [&] { ++fired; });
  EXPECT_EQ(service.cancel(second), cancel_result::cancelled);
  EXPECT_EQ(service.cancel(second), cancel_result::closed);
  EXPECT_EQ(service.arm_after(second, 1ms), arm_result::closed);
  clock.advance(1ms);
  EXPECT_EQ(fired, 2);
  EXPECT_EQ(service.cancel(first), cancel_result::closed);
  EXPECT_EQ(service.status(third), timer_state::pending);
  EXPECT_EQ(service.close(third), cancel_result::cancelled);
  EXPECT_EQ(service.close(third), cancel_result::closed);
  clock.advance(10ms);
  EXPECT_EQ(fired, 2);
  EXPECT_EQ(service.counters().alive, 0U);
}

}  // namespace
