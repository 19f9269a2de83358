// G24. fork, exec, dlclose, exit and static destruction have a written answer each, in docs/process.md, and a test
// here.
//
// Method: each program is a child process with a time limit, so that a hang, a crash and a wrong answer all are red.
// The plug-in that is unloaded is tests/contract/component.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <poll.h>
#include <string>
#include <support/child.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using support::exited;
using support::in_child;

namespace {

// A failed expectation in a child, told by its exit status: the line.
#define REQUIRE(condition)                                                             \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      std::fprintf(stderr, "%s:%d: in a child: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                                        \
    }                                                                                  \
  } while (false)

// --- fork -----------------------------------------------------------------------------------------------------------

int verbs_answer_shut_down(detent::timer_service& service, detent::timer& armed, detent::timer& idle) {
  REQUIRE(armed.arm_after(0ns) == detent::arm_result::shut_down);
  REQUIRE(armed.arm_every(1s) == detent::arm_result::shut_down);
  REQUIRE(armed.cancel() == detent::cancel_result::shut_down);
  REQUIRE(armed.cancel_and_wait().outcome == detent::cancel_result::shut_down);
  REQUIRE(armed.close() == detent::cancel_result::shut_down);
  REQUIRE(armed.close_and_wait().wait == detent::wait_result::quiet);
  REQUIRE(armed.wait() == detent::wait_result::quiet);
  REQUIRE(armed.stop() == detent::stop_result::idle);
  REQUIRE(armed.status() == detent::timer_state::shut_down);
  REQUIRE(idle.arm_after(1s) == detent::arm_result::shut_down);
  REQUIRE(service.arm_after(armed.id(), 1s) == detent::arm_result::shut_down);
  REQUIRE(service.cancel(armed.id()) == detent::cancel_result::shut_down);
  REQUIRE(service.cancel_all() == 0);
  REQUIRE(!service.once(1s, [] {}));
  REQUIRE(!service.every(1s, [] {}));
  REQUIRE(service.snapshot().empty());
  REQUIRE(service.active().empty());
  REQUIRE(service.shutdown().cancelled == 0);
  int ends = 0;
  REQUIRE(idle.close_then([&] { ++ends; }) == detent::then_result::accepted);
  REQUIRE(ends == 1);
  detent::timer made(service, [] {});
  REQUIRE(made.arm_after(1s) != detent::arm_result::armed);
  return 0;
}

int a_service_of_its_own_works() {
  detent::timer_service own;
  support::gate fired;
  detent::timer t(own, [&] { fired.open(); });
  REQUIRE(t.arm_after(1ms) == detent::arm_result::armed);
  REQUIRE(fired.pass());
  REQUIRE(t.close_and_wait().wait == detent::wait_result::quiet);
  return 0;
}

class fork_of : public ::testing::TestWithParam<unsigned> {
 protected:
  fork_of() {
    detent::service_options options;
    options.executor = detent::pool{GetParam()};
    service = std::make_unique<detent::timer_service>(std::move(options));
    armed = detent::timer(*service, [] {});
    idle = detent::timer(*service, [] {});
    armed.arm_after(1h);
  }
  std::unique_ptr<detent::timer_service> service;
  detent::timer armed;
  detent::timer idle;
};

TEST_P(fork_of, TheChildsVerbsAnswerShutDownAndTheParentGoesOn) {
  detent::timer_group group(*service);
  detent::timer member(group, [] {});
  member.arm_after(1h);
  EXPECT_EQ(in_child([&] {
              REQUIRE(group.close() == 0);
              REQUIRE(group.close_and_wait() == detent::wait_result::quiet);
              return verbs_answer_shut_down(*service, armed, idle);
            }),
            exited(0));
  EXPECT_EQ(armed.cancel(), detent::cancel_result::cancelled);
  EXPECT_EQ(group.close(), 1U);
}

TEST_P(fork_of, TheChildDestroysEverything) {
  EXPECT_EQ(in_child([&] {
              armed = {};
              service.reset();
              idle = {};
              return 0;
            }),
            exited(0));
  EXPECT_EQ(armed.status(), detent::timer_state::pending);
}

TEST_P(fork_of, TheChildMakesItsOwnService) {
  if (!support::child_may_have_threads)
    GTEST_SKIP() << "this sanitizer allows no threads in the child of a process with threads";
  EXPECT_EQ(in_child([&] {
              REQUIRE(a_service_of_its_own_works() == 0);
              // A handle of the parent's may be given a timer of the child's.
              detent::timer_service own;
              armed = detent::timer(own, [] {});
              REQUIRE(armed.arm_after(1h) == detent::arm_result::armed);
              return 0;
            }),
            exited(0));
}

TEST_P(fork_of, InTheMiddleOfEverything) {
  // Other threads hold whatever lock they hold at that moment.
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> calls{0};
  detent::timer busy(*service, [&] { ++calls; });
  busy.arm_every(20us);
  {
    const support::background storm([&] {
      while (!stopping) {
        // The address sanitizer's allocator does not survive a fork while another thread is in it: there the storm
        // keeps to what allocates nothing.
        if (support::under_asan) {
          detent::timer t(*service, [&] { ++calls; });
          t.arm_after(10us);
          t.close_and_wait();
          continue;
        }
        detent::timer_group group(*service);
        detent::timer t(group, {.name = "storm"}, [&] { ++calls; });
        t.arm_after(10us);
        static_cast<void>(service->once(1us, [] {}));
        static_cast<void>(service->snapshot());
        t.close_and_wait();
      }
    });
    for (int round = 0; round < (support::is_short() ? 20 : 100); ++round) {
      EXPECT_EQ(in_child([&] {
                  if (verbs_answer_shut_down(*service, armed, idle) != 0) return 1;
                  busy = {};
                  if (!support::child_may_have_threads) return 0;
                  return a_service_of_its_own_works();
                }),
                exited(0));
    }
    stopping = true;
  }
  EXPECT_EQ(busy.close_and_wait().wait, detent::wait_result::quiet);
}

TEST_P(fork_of, InsideACallback) {
  support::child_end end{};
  detent::timer t(*service, [&] {
    end = in_child([&] {
      if (t.arm_after(0ns) != detent::arm_result::shut_down) return 1;
      if (t.close_and_wait().outcome != detent::cancel_result::shut_down) return 2;
      if (!support::child_may_have_threads) return 0;
      return a_service_of_its_own_works();
    });
  });
  t.arm_after(0ns);
  EXPECT_EQ(t.wait(), detent::wait_result::quiet);
  EXPECT_EQ(end, exited(0));
}

INSTANTIATE_TEST_SUITE_P(Executors, fork_of, ::testing::Values(0U, 2U));

TEST(G24, ForkOfAUserDrivenService) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  detent::timer t(service, [] {});
  t.arm_after(0ns);
  ASSERT_GE(service.fd(), 0);
  EXPECT_EQ(in_child([&] {
              REQUIRE(service.run_due().count == 0);
              REQUIRE(t.status() == detent::timer_state::shut_down);
              return 0;
            }),
            exited(0));
  EXPECT_EQ(service.run_due().count, 1U);
}

// The alarm behind the descriptor is one for both processes: the child, which comes back from the callback and out of
// `run_due` after the parent has set it, leaves it alone. Nor does it fire what else was due.
TEST(G24, ForkInsideACallbackOfRunDue) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  ASSERT_GE(service.fd(), 0);
  int from_parent[2];
  ASSERT_EQ(::pipe(from_parent), 0);
  pid_t child = -1;
  int calls = 0;
  int others = 0;
  detent::timer t;
  t = detent::timer(service, [&] {
    if (++calls != 1) return;
    child = support::fork_patiently();
    char told = 0;
    if (child == 0) static_cast<void>(!::read(from_parent[0], &told, 1));
    else t.arm_after(100ms);
  });
  detent::boottime_timer other(service, [&] { ++others; });
  t.arm_after(0ns);
  other.arm_after(0ns);
  service.run_due();
  if (child == 0) ::_exit(others == 0 ? 0 : 1);
  ASSERT_GT(child, 0);
  EXPECT_EQ(others, 1);
  EXPECT_EQ(::write(from_parent[1], "x", 1), 1);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child fired a timer of its parent's";
  while (calls == 1) {
    pollfd due{service.fd(), POLLIN, 0};
    const int ready = ::poll(&due, 1, static_cast<int>(std::chrono::milliseconds(support::patience).count()));
    ASSERT_EQ(ready, 1) << "nobody tells that the timer is due";
    service.run_due();
  }
  ::close(from_parent[0]);
  ::close(from_parent[1]);
}

// The same on a manual clock, and in the last look of a shutdown.
TEST(G24, ForkInsideACallbackOfAMoveAndOfAShutdown) {
  for (const bool shuts_down : {false, true}) {
    detent::manual_clock clock;
    detent::timer_service service(clock);
    detent::timer_service beside(clock);
    bool is_child = false;
    int others = 0;
    const auto plays = [&] {
      detent::timer t(service, [&] { is_child = true; });
      detent::boottime_timer other(service, [&] { ++others; });
      detent::timer third(beside, [&] { ++others; });
      t = detent::timer(service, [&] {
        const pid_t child = support::fork_patiently();
        is_child = child == 0;
        int status = -1;
        if (is_child) return;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
      });
      t.arm_after(0ns);
      other.arm_after(0ns);
      third.arm_after(0ns);
      if (shuts_down) service.shutdown(detent::shutdown_policy::run_due);
      else clock.advance(1s);
      if (is_child) ::_exit(others == 0 ? 0 : 1);
    };
    plays();
    EXPECT_EQ(others, shuts_down ? 1 : 2);
  }
}

TEST(G24, ForkOfAManualClock) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  int calls = 0;
  detent::timer t(service, [&] { ++calls; });
  t.arm_after(1s);
  EXPECT_EQ(in_child([&] {
              REQUIRE(t.arm_after(1s) == detent::arm_result::shut_down);
              return 0;
            }),
            exited(0));
  EXPECT_EQ(clock.advance(1s), 1U);
  EXPECT_EQ(calls, 1);
}

// --- exec -----------------------------------------------------------------------------------------------------------

TEST(G24, ExecWithArmedTimers) {
  EXPECT_EQ(in_child([] {
              detent::timer_service service;
              detent::timer t(service, [] {});
              t.arm_every(100us);
              ::execl("/bin/true", "true", static_cast<char*>(nullptr));
              return 1;
            }),
            exited(0));
}

TEST(G24, ExecInsideACallback) {
  EXPECT_EQ(in_child([] {
              detent::timer_service service;
              detent::timer t(service, [] { ::execl("/bin/true", "true", static_cast<char*>(nullptr)); });
              t.arm_after(0ns);
              std::this_thread::sleep_for(support::patience);
              return 1;
            }),
            exited(0));
}

// Whoever started the tests may have left descriptors open in them: those are not ours.
std::map<int, std::string> open_descriptors() {
  std::map<int, std::string> all;
  for (int fd = 3; fd < 256; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) continue;
    char target[256] = {};
    const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1);
    all.emplace(fd, std::string(target, length < 0 ? 0U : static_cast<std::size_t>(length)));
  }
  return all;
}

TEST(G24, DescriptorsAreClosedByExec) {
  const std::map<int, std::string> before = open_descriptors();
  detent::service_options options;
  options.drive = detent::drive::by_user;
  detent::timer_service service(std::move(options));
  detent::timer_service driven;
  const detent::system_timer w(driven, [] {});
  ASSERT_GE(service.fd(), 0);
  EXPECT_EQ(before.count(service.fd()), 0U);
  int of_ours = 0;
  for (const auto& [fd, name] : open_descriptors()) {
    if (before.count(fd) != 0) continue;
    ++of_ours;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << name;
  }
  EXPECT_GE(of_ours, 1);
}

// --- exit and static destruction ------------------------------------------------------------------------------------

TEST(G24, ExitWithArmedTimers) {
  EXPECT_EQ(in_child([]() -> int {
              static auto* service = new detent::timer_service;
              static auto* t = new detent::timer(*service, [] {});
              t->arm_every(50us);
              service->once(1h, [] {});
              std::exit(7);
            }),
            exited(7));
}

TEST(G24, ExitInsideACallback) {
  EXPECT_EQ(in_child([] {
              static detent::timer_service* service = new detent::timer_service;
              static detent::timer* t = new detent::timer(*service, [] { std::exit(7); });
              t->arm_after(0ns);
              std::this_thread::sleep_for(support::patience);
              return 1;
            }),
            exited(7));
}

TEST(G24, ExitWithAServiceOfStaticStorage) {
  EXPECT_EQ(in_child([]() -> int {
              static detent::timer_service service;
              static detent::timer often(service, [] {});
              static detent::timer far(service, [] {});
              often.arm_every(50us);
              far.arm_after(1h);
              std::exit(7);
            }),
            exited(7));
}

TEST(G24, ExitInsideACallbackOfAServiceOfStaticStorage) {
  for (const unsigned threads : {0U, 2U}) {
    EXPECT_EQ(in_child([threads] {
                static unsigned number = threads;
                static detent::timer_service service([] {
                  detent::service_options options;
                  options.executor = detent::pool{number};
                  return options;
                }());
                static detent::timer t(service, [] { std::exit(7); });
                t.arm_after(0ns);
                std::this_thread::sleep_for(support::patience);
                return 1;
              }),
              exited(7))
        << threads << " threads";
  }
}

TEST(G24, StaticHandlesOutliveAStaticService) {
  EXPECT_EQ(in_child([]() -> int {
              static detent::timer outlives;  // constructed first, destroyed last
              static detent::timer_service service;
              outlives = detent::timer(service, [] {});
              outlives.arm_after(1h);
              std::exit(7);
            }),
            exited(7));
}

TEST(G24, QuickExitWithArmedTimers) {
  EXPECT_EQ(in_child([]() -> int {
              static detent::timer_service service;
              service.every(50us, [] {});
              std::quick_exit(7);
            }),
            exited(7));
}

// --- dlclose --------------------------------------------------------------------------------------------------------

class component {
 public:
  component() : library_(::dlopen(DETENT_COMPONENT, RTLD_NOW | RTLD_LOCAL)) {}
  component(const component&) = delete;
  component& operator=(const component&) = delete;
  ~component() { unload(); }
  explicit operator bool() const { return library_ != nullptr; }
  template <class Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(::dlsym(library_, name));
  }
  void unload() {
    if (library_ != nullptr) ::dlclose(library_);
    library_ = nullptr;
  }
  static bool is_mapped() {
    void* again = ::dlopen(DETENT_COMPONENT, RTLD_NOW | RTLD_NOLOAD);
    if (again != nullptr) ::dlclose(again);
    return again != nullptr;
  }

 private:
  void* library_;
};

TEST(G24, AComponentThatClosedItsGroupIsUnloaded) {
  EXPECT_EQ(in_child([] {
              for (int round = 0; round < 10; ++round) {
                std::atomic<int> calls{0};
                component plug_in;
                REQUIRE(plug_in);
                plug_in.find<void(std::atomic<int>*)>("component_open")(&calls);
                REQUIRE(support::eventually([&] { return calls >= 3; }));
                REQUIRE(plug_in.find<bool()>("component_close")());
                plug_in.unload();
                const int then = calls;
                std::this_thread::sleep_for(2ms);
                REQUIRE(calls == then);
                // The fork hooks of the component's own copy have gone with it.
                if (!support::under_tsan) REQUIRE(in_child([] { return 0; }) == exited(0));
              }
              return 0;
            }),
            exited(0));
}

TEST(G24, AComponentWhoseCallbacksTheHostsTimersCall) {
  EXPECT_EQ(in_child([] {
              detent::timer_service service;
              for (int round = 0; round < 10; ++round) {
                std::atomic<int> calls{0};
                component plug_in;
                REQUIRE(plug_in);
                auto* tick = plug_in.find<void(std::atomic<int>*)>("component_tick");
                detent::timer_group group(service);
                detent::timer t(group, [tick, &calls] { tick(&calls); });
                t.arm_every(50us);
                REQUIRE(support::eventually([&] { return calls >= 3; }));
                REQUIRE(group.close_and_wait() == detent::wait_result::quiet);
                plug_in.unload();
                std::this_thread::sleep_for(1ms);
              }
              return 0;
            }),
            exited(0));
}

TEST(G24, AComponentWithAServiceOfStaticStorage) {
  EXPECT_EQ(in_child([] {
              std::atomic<int> calls{0};
              component plug_in;
              REQUIRE(plug_in);
              plug_in.find<void(std::atomic<int>*)>("component_stand")(&calls);
              REQUIRE(support::eventually([&] { return calls >= 3; }));
              plug_in.unload();
              if (!component::is_mapped()) {
                const int then = calls;
                std::this_thread::sleep_for(2ms);
                REQUIRE(calls == then);
              }
              return 0;
            }),
            exited(0));
}

}  // namespace
