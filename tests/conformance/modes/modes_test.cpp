// modes: the order of hooks, what a change does to bound timers, and that a change closes the gate before it returns.
#include <detent/detent.hpp>
#include <detent/modes.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::mode_change;
using detent::on_leave;
using detent::on_return;

class in_modes : public ::testing::Test {
 protected:
  in_modes() {
    for (const char* name : {"a", "b", "c"}) add(name);
  }
  void add(const std::string& name) {
    detent::mode_options mode;
    mode.name = name;
    mode.on_enter = [this, name] { written += "+" + name; };
    mode.on_exit = [this, name] { written += "-" + name; };
    mode.on_enter_from = [this, name](const std::string& from) { written += "(" + from + ">" + name + ")"; };
    mode.on_exit_to = [this, name](const std::string& to) { written += "[" + name + ">" + to + "]"; };
    EXPECT_EQ(modes.add(std::move(mode)), mode_change::changed);
  }
  std::unique_ptr<detent::mode_timer> every(detent::duration period, on_leave left, on_return entered) {
    auto made = std::make_unique<detent::mode_timer>(service, modes, detent::mode_timer_options{{"a"}, left, entered},
                                                     [this](detent::firing&) { ++ticks; });
    made->arm_every(period);
    return made;
  }

  detent::manual_clock clock;
  detent::timer_service service{clock};
  detent::modes modes{service};
  std::string written;
  int ticks = 0;
};

// Removed means quiet: for a change whose hooks run already, and while the listener is at work on another thread.
TEST_F(in_modes, ARemovedListenerIsNotCalledAnyMore) {
  std::uint64_t second = 0;
  std::uint64_t first = 0;
  first = modes.add_listener([&](const std::string&, const std::string&) {
    written += "1";
    modes.remove_listener(second);
    EXPECT_EQ(modes.remove_listener(first), detent::wait_result::from_callback);  // inside itself: no wait
  });
  second = modes.add_listener([&](const std::string&, const std::string&) { written += "2"; });
  modes.set("a");
  modes.set("b");
  EXPECT_EQ(std::count(written.begin(), written.end(), '1'), 1);
  EXPECT_EQ(written.find('2'), std::string::npos);

  support::gate entered;
  std::atomic<bool> has_returned{false};
  const auto slow = modes.add_listener([&](const std::string&, const std::string&) {
    entered.open();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    has_returned.store(true);
  });
  std::thread setter([&] { modes.set("a"); });
  entered.pass();
  EXPECT_EQ(modes.remove_listener(slow), detent::wait_result::quiet);
  EXPECT_TRUE(has_returned.load());
  setter.join();
  EXPECT_EQ(modes.remove_listener(slow), detent::wait_result::quiet);  // it is gone
}

// There no service works any more: listeners are called all the same.
TEST_F(in_modes, ListenersInAForkChild) {
  int told = 0;
  modes.add_listener([&](const std::string&, const std::string&) { ++told; });
  modes.set("a");
  const pid_t child = fork();
  if (child == 0) {
    modes.set("b");
    _exit(told == 2 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

// A listener that waits for a callback which waits for the listener: one of the two is refused, and nothing hangs.
TEST(mode_threads, AListenerThatWaitsForItsRemoverIsTold) {
  detent::service_options options;
  options.on_deadlock = [](const detent::deadlock_report&) {};
  detent::timer_service service(std::move(options));
  detent::modes modes(service);
  detent::mode_options mode;
  mode.name = "a";
  modes.add(std::move(mode));
  support::gate in_callback;
  support::gate in_listener;
  detent::wait_result removed = detent::wait_result::timed_out;
  std::uint64_t listener = 0;
  detent::timer remover(service, [&](detent::firing&) {
    in_callback.open();
    in_listener.pass();
    removed = modes.remove_listener(listener);
  });
  detent::wait_result closed = detent::wait_result::timed_out;
  int told = 0;
  listener = modes.add_listener([&](const std::string&, const std::string&) {
    ++told;
    in_callback.pass();
    in_listener.open();
    closed = remover.close_and_wait().wait;
  });
  remover.arm_after(0ms);
  modes.set("a");
  remover.close_and_wait();
  EXPECT_TRUE((removed == detent::wait_result::would_deadlock) != (closed == detent::wait_result::would_deadlock));
  modes.set("default");
  EXPECT_EQ(told, 1);
}

TEST_F(in_modes, OneIsCurrentAndOneWasBefore) {
  EXPECT_TRUE(modes.is("default"));
  EXPECT_EQ(modes.previous(), "");
  EXPECT_EQ(modes.set("a"), mode_change::changed);
  EXPECT_EQ(modes.set("a"), mode_change::unchanged);
  EXPECT_EQ(modes.set("nowhere"), mode_change::unknown);
  EXPECT_EQ(modes.current(), "a");
  EXPECT_EQ(modes.previous(), "default");
  EXPECT_EQ(modes.transitions(), 1U);
}

TEST_F(in_modes, HooksInOrder) {
  modes.add_group({"work", {"a", "b"}, [this] { written += "{"; }, [this] { written += "}"; }});
  modes.add_listener([this](const std::string& now, const std::string& before) { written += "!" + before + now; });
  modes.set("a");
  EXPECT_EQ(written, "+a(default>a){!defaulta");
  written.clear();
  modes.set("b");  // inside the group
  EXPECT_EQ(written, "-a[a>b]+b(a>b)!ab");
  EXPECT_TRUE(modes.is_in_group("work"));
  written.clear();
  modes.set("c");
  EXPECT_EQ(written, "-b[b>c]+c(b>c)}!bc");
  EXPECT_FALSE(modes.is_in_group("work"));
}

// A change made inside a hook takes effect at once, and its hooks come behind those of the change it was made in.
TEST_F(in_modes, AHookMaySetAndAsk) {
  detent::mode_options mode;
  mode.name = "hub";
  mode.on_enter = [this] {
    written += modes.current();
    EXPECT_EQ(modes.set("a"), mode_change::changed);
    EXPECT_TRUE(modes.is("a"));
  };
  mode.on_enter_from = [this](const std::string&) { written += "."; };
  modes.add(std::move(mode));
  modes.set("hub");
  EXPECT_EQ(written, "hub.+a(hub>a)");
}

TEST_F(in_modes, AThrowingHookIsContained) {
  std::string told;
  detent::modes_options options;
  options.on_error = [&](const std::string& what) { told += what; };
  detent::modes others(service, std::move(options));
  detent::mode_options mode;
  mode.name = "x";
  mode.on_enter = [] { throw std::runtime_error("enter"); };
  bool behind = false;
  mode.on_enter_from = [&](const std::string&) { behind = true; };
  others.add(std::move(mode));
  EXPECT_EQ(others.set("x"), mode_change::changed);
  EXPECT_EQ(told, "enter");
  EXPECT_TRUE(behind);
}

// Without `on_error` it is printed, with the mode's name.
TEST_F(in_modes, AThrowingHookIsPrinted) {
  detent::mode_options mode;
  mode.name = "x";
  mode.on_enter = [] { throw std::runtime_error("mine"); };
  mode.condition = []() -> bool { throw 5; };
  modes.add(std::move(mode));
  testing::internal::CaptureStderr();
  modes.set("x");
  modes.update();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "detent: a hook of the mode \"x\" threw: mine\n"
            "detent: a hook of the mode \"x\" threw: an exception that is no std::exception\n");
}

TEST_F(in_modes, UpdateAsksByPriority) {
  bool low = true;
  bool high = true;
  for (const auto& [name, priority, holds] : {std::tuple{"low", 1, &low}, std::tuple{"high", 2, &high}}) {
    detent::mode_options mode;
    mode.name = name;
    mode.priority = priority;
    mode.condition = [this, holds = holds] {
      modes.current();  // no lock is held
      return *holds;
    };
    modes.add(std::move(mode));
  }
  modes.update();
  EXPECT_TRUE(modes.is("high"));
  high = false;
  modes.update();
  EXPECT_TRUE(modes.is("low"));
  low = false;
  EXPECT_EQ(modes.update(), mode_change::changed);
  EXPECT_TRUE(modes.is("default"));
  EXPECT_EQ(modes.update(), mode_change::unchanged);
}

TEST_F(in_modes, TimeAndTransitions) {
  clock.advance(1s);
  modes.set("a");
  clock.advance(2s);
  modes.set("b");
  clock.advance(3s);
  modes.set("a");
  clock.advance(4s);
  EXPECT_EQ(modes.times("default").total, 1s);
  EXPECT_EQ(modes.times("a").total, 6s);
  EXPECT_EQ(modes.times("a").entered, 2U);
  EXPECT_EQ(modes.times("b").total, 3s);
  EXPECT_EQ(modes.times("nowhere").entered, 0U);
}

TEST_F(in_modes, ListenersComeAndGo) {
  int told = 0;
  const auto number = modes.add_listener([&](const std::string&, const std::string&) { ++told; });
  modes.set("a");
  modes.remove_listener(number);
  modes.set("b");
  EXPECT_EQ(told, 1);
}

// --- Bound timers.
// ------------------------------------------------------------------------------------------------------

TEST_F(in_modes, SuspendKeepsTheRest) {
  modes.set("a");
  const auto timer = every(10ms, on_leave::suspend, on_return::resume);
  clock.advance(14ms);
  EXPECT_EQ(ticks, 1);
  modes.set("b");
  clock.advance(100ms);
  EXPECT_EQ(ticks, 1);
  modes.set("a");
  clock.advance(6ms - 8ns);
  EXPECT_EQ(ticks, 1);
  clock.advance(8ns);
  EXPECT_EQ(ticks, 2);
  clock.advance(10ms);
  EXPECT_EQ(ticks, 3);
}

// Whatever their addresses: what was bound first is left first, and comes back first. Bound again it keeps its place.
TEST_F(in_modes, BoundThingsFollowInTheOrderOfBinding) {
  struct noting : detent::mode_bound {
    void leave() noexcept override { order->push_back(-number); }
    void come_back() noexcept override { order->push_back(number); }
    std::vector<int>* order = nullptr;
    int number = 0;
  };
  std::vector<int> order;
  order.reserve(100);
  std::array<noting, 10> all;
  constexpr std::array places{7, 2, 9, 0, 5, 1, 8, 3, 6, 4};
  modes.set("a");
  for (int i = 0; i < 10; ++i) {
    noting& one = all[static_cast<std::size_t>(places[static_cast<std::size_t>(i)])];
    one.order = &order;
    one.number = i + 1;
    modes.bind(one, {"a"});
  }
  modes.bind(all[9], {"a", "c"});
  modes.unbind(all[0]);
  modes.set("b");
  modes.set("a");
  EXPECT_EQ(order, (std::vector{-1, -2, -3, -5, -6, -7, -8, -9, -10, 1, 2, 3, 5, 6, 7, 8, 9, 10}));
  for (noting& one : all) modes.unbind(one);
}

TEST_F(in_modes, SkipKeepsThePhase) {
  modes.set("a");
  const auto timer = every(10ms, on_leave::skip, on_return::resume);
  clock.advance(14ms);
  modes.set("b");
  clock.advance(100ms);
  EXPECT_EQ(ticks, 1);
  EXPECT_EQ(timer->skipped(), 10U);
  modes.set("a");
  clock.advance(6ms);
  EXPECT_EQ(ticks, 2);
}

TEST_F(in_modes, CancelEndsAndRestartBeginsAnew) {
  modes.set("a");
  const auto ends = every(10ms, on_leave::cancel, on_return::resume);
  clock.advance(14ms);
  modes.set("b");
  modes.set("a");
  clock.advance(100ms);
  EXPECT_EQ(ticks, 1);
  ticks = 0;
  const auto begins = every(10ms, on_leave::cancel, on_return::restart);
  clock.advance(14ms);
  modes.set("b");
  modes.set("a");
  clock.advance(9ms);
  EXPECT_EQ(ticks, 1);
  clock.advance(1ms);
  EXPECT_EQ(ticks, 2);
}

TEST_F(in_modes, StayWaitsToBeArmed) {
  modes.set("a");
  const auto timer = every(10ms, on_leave::suspend, on_return::stay);
  modes.set("b");
  modes.set("a");
  clock.advance(100ms);
  EXPECT_EQ(ticks, 0);
  timer->arm_after(1ms);
  clock.advance(1ms);
  EXPECT_EQ(ticks, 1);
}

TEST_F(in_modes, BoundAndArmedOutsideOfItsModes) {
  const auto timer = every(10ms, on_leave::suspend, on_return::resume);
  clock.advance(100ms);
  EXPECT_EQ(ticks, 0);
  modes.set("a");
  clock.advance(10ms);
  EXPECT_EQ(ticks, 1);
  modes.set("b");
  EXPECT_EQ(timer->cancel(), detent::cancel_result::cancelled);
  modes.set("a");
  clock.advance(100ms);
  EXPECT_EQ(ticks, 1);
}

TEST_F(in_modes, ATickMaySetTheMode) {
  modes.set("a");
  std::unique_ptr<detent::mode_timer> timer;
  timer = std::make_unique<detent::mode_timer>(service, modes, detent::mode_timer_options{{"a"}}, [&](detent::firing&) {
    ++ticks;
    modes.set("b");
  });
  timer->arm_every(10ms);
  clock.advance(100ms);
  EXPECT_EQ(ticks, 1);
  modes.set("a");
  clock.advance(10ms);
  EXPECT_EQ(ticks, 2);
}

TEST_F(in_modes, ATickMayDestroyItsTimer) {
  modes.set("a");
  std::unique_ptr<detent::mode_timer> timer;
  timer = std::make_unique<detent::mode_timer>(service, modes, detent::mode_timer_options{{"a"}}, [&](detent::firing&) {
    ++ticks;
    timer.reset();
  });
  timer->arm_every(10ms);
  clock.advance(100ms);
  EXPECT_EQ(ticks, 1);
  modes.set("b");
}

// The tick behind the next one is beyond what the clock can say: it never comes, instead of at once and without end.
TEST_F(in_modes, APeriodOfCenturies) {
  constexpr std::chrono::hours year{24 * 365};
  modes.set("a");
  const auto timer = every(180 * year, on_leave::suspend, on_return::resume);
  clock.advance(181 * year);
  EXPECT_EQ(ticks, 1);
}

TEST(ends_of_time, AClockBeforeItsEpoch) {
  constexpr std::chrono::hours year{24 * 365};
  detent::manual_clock clock(-290 * year);
  detent::timer_service service{clock};
  detent::modes modes{service};
  detent::mode_options mode;
  mode.name = "a";
  modes.add(std::move(mode));
  for (int i = 0; i < 2; ++i) clock.advance(200 * year);
  EXPECT_EQ(modes.times("default").total, detent::duration::max());
  modes.set("a");
  modes.set("default");
  EXPECT_EQ(modes.times("default").total, detent::duration::max());
}

// Runs its tasks at once, but for some that it lets go.
struct refusing_executor {
  void post(detent::task due) {
    if (refused > 0 && refused-- > 0) return;
    due();
  }
  int refused = 0;
};

TEST(dropped_ticks, ASeriesGoesOn) {
  refusing_executor executor;
  detent::manual_clock clock;
  detent::service_options options;
  options.clock = &clock;
  options.executor = executor;
  options.on_error = [](const detent::callback_error&) {};
  detent::timer_service service(std::move(options));
  detent::modes modes(service);
  int ticks = 0;
  detent::mode_timer timer(service, modes, {.modes = {"default"}}, [&](detent::firing&) { ++ticks; });
  timer.arm_every(10ms);
  clock.advance(10ms);
  EXPECT_EQ(ticks, 1);
  executor.refused = 2;
  clock.advance(20ms);
  EXPECT_EQ(ticks, 1);
  clock.advance(20ms);
  EXPECT_EQ(ticks, 3);
}

// --- Threads.
// -----------------------------------------------------------------------------------------------------------

// Timers bound to one mode, four threads that change it. Each tick says in which mode it started: while the mode was
// set and not yet left again, judged by a count that the changing thread moves behind each `set`.
TEST(mode_threads, AfterSetNoTickOfAnotherModeStarts) {
  constexpr unsigned callers = 2;
  detent::service_options options;
  options.executor = detent::pool{callers};
  detent::timer_service service(std::move(options));
  detent::modes modes(service);
  for (const char* name : {"a", "b"}) {
    detent::mode_options mode;
    mode.name = name;
    modes.add(std::move(mode));
  }
  std::atomic<int> inside{0};
  std::atomic<std::uint64_t> ticks{0};
  std::vector<std::unique_ptr<detent::mode_timer>> timers;
  for (int i = 0; i < 8; ++i) {
    const auto left = std::array{on_leave::suspend, on_leave::skip, on_leave::cancel}[static_cast<std::size_t>(i % 3)];
    timers.push_back(std::make_unique<detent::mode_timer>(
        service, modes, detent::mode_timer_options{{"a"}, left, on_return::restart}, [&](detent::firing&) {
          inside.fetch_add(1);
          ticks.fetch_add(1);
          inside.fetch_sub(1);
        }));
    timers.back()->arm_every(std::chrono::microseconds(50 + 10 * i));
  }
  const std::size_t rounds = support::times(300, 40);
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto before = ticks.load();
    modes.set("a");
    if (round % 4 == 0) support::eventually([&] { return ticks.load() > before; });
    modes.set("b");
    // Calls that passed the gate before may still be at their first line; each thread has at most one.
    const auto at_most = ticks.load() + callers;
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(300);
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_LE(ticks.load(), at_most);
  }
  timers.clear();
  EXPECT_EQ(inside.load(), 0);
}

// The initial mode is given its condition while others ask for it.
TEST(mode_threads, UpdateWhileTheInitialModeGetsItsHooks) {
  detent::timer_service service;
  const std::size_t rounds = support::times(300, 100);
  for (std::size_t round = 0; round < rounds; ++round) {
    detent::modes modes(service);
    std::atomic<int> asked{0};
    support::gate asking;
    std::atomic<bool> added{false};
    support::background asks([&] {
      while (!added.load(std::memory_order_relaxed)) {
        modes.update();
        asking.open();
      }
    });
    support::background adds([&] {
      asking.pass();
      detent::mode_options mode;
      mode.name = "default";
      mode.priority = 1;
      mode.condition = [&asked, text = std::string(100, 'x')] { return asked.fetch_add(1) >= 0 && text.empty(); };
      EXPECT_EQ(modes.add(std::move(mode)), mode_change::changed);
      added.store(true, std::memory_order_relaxed);
    });
    asks.join();
    adds.join();
    const int before = asked.load();
    EXPECT_EQ(modes.update(), mode_change::unchanged);
    EXPECT_EQ(asked.load(), before + 1);
    EXPECT_EQ(modes.times("default").entered, 1U);
  }
}

// Hooks of changes from four threads never overlap, each exit is behind its enter, and none is lost.
TEST(mode_threads, HooksAreSerialised) {
  detent::timer_service service;
  detent::modes modes(service);
  std::atomic<int> inside{0};
  std::string in = "default";  // plain: only hooks touch it
  std::uint64_t changes = 0;
  for (const char* name : {"a", "b", "c"}) {
    detent::mode_options mode;
    mode.name = name;
    mode.on_exit = [&, name] { EXPECT_EQ(in, name); };
    mode.on_enter = [&, name] {
      EXPECT_EQ(inside.fetch_add(1), 0);
      in = name;
      ++changes;
      inside.fetch_sub(1);
    };
    modes.add(std::move(mode));
  }
  {
    std::vector<std::unique_ptr<support::background>> threads;
    for (int t = 0; t < 4; ++t) {
      threads.push_back(std::make_unique<support::background>([&modes, t] {
        const char* const names[] = {"a", "b", "c"};
        for (int i = 0; i < 500; ++i) modes.set(names[(i * 7 + t) % 3]);
      }));
    }
  }
  EXPECT_EQ(changes, modes.transitions());
  EXPECT_EQ(in, modes.current());
}

}  // namespace
