// The operating system refuses: every allocation, every thread and every descriptor that an operation asks for fails
// once, the first, the second, and so on until the operation gets through. It answers an error or throws bad_alloc or
// system_error, nothing is lost by it, and everything works afterwards.
//
// needs: exceptions
//
// Method: this program replaces operator new and the C library's mmap, pthread_create, eventfd, timerfd_create and
// epoll_create1; the k-th of all of them on the testing thread fails. tests/faults/kernel_test.cpp asks the same of
// the kernel, by strace.
#include <detent/detent.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <dlfcn.h>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <support/gate.hpp>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <system_error>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

// On this thread: how many requests still succeed before one fails. Negative: none fails.
thread_local int left_before_failure = -1;
thread_local bool has_failed = false;

bool fails_now() {
  if (left_before_failure < 0) return false;
  if (left_before_failure-- != 0) return false;
  has_failed = true;
  return true;
}

}  // namespace

__attribute__((noinline)) void* operator new(std::size_t size) {
  if (fails_now()) throw std::bad_alloc();
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
__attribute__((noinline)) void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return fails_now() ? nullptr : std::malloc(size);
}
__attribute__((noinline)) void* operator new[](std::size_t size) { return operator new(size); }
__attribute__((noinline)) void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
__attribute__((noinline)) void* operator new(std::size_t size, std::align_val_t at) {
  if (fails_now()) throw std::bad_alloc();
  const auto step = static_cast<std::size_t>(at);
  void* memory = std::aligned_alloc(step, (size + step - 1) / step * step);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
__attribute__((noinline)) void* operator new(std::size_t size, std::align_val_t at, const std::nothrow_t&) noexcept {
  if (fails_now()) return nullptr;
  const auto step = static_cast<std::size_t>(at);
  return std::aligned_alloc(step, (size + step - 1) / step * step);
}
__attribute__((noinline)) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete[](void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

// A sanitizer has replaced these itself.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {

void* mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  if (fails_now()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(::syscall(SYS_mmap, at, bytes, protection, flags, file, offset));
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* context) noexcept {
  if (fails_now()) return EAGAIN;
  using function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_create"));
  return real(thread, attributes, body, context);
}

int eventfd(unsigned count, int flags) noexcept {
  if (fails_now()) {
    errno = EMFILE;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_eventfd2, count, flags));
}

int timerfd_create(clockid_t clock, int flags) noexcept {
  if (fails_now()) {
    errno = EMFILE;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_timerfd_create, clock, flags));
}

int epoll_create1(int flags) noexcept {
  if (fails_now()) {
    errno = EMFILE;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_epoll_create1, flags));
}

}  // extern "C"
#endif

namespace {

using namespace detent;
using namespace std::chrono_literals;

enum class answer { done, refused };

// Runs `body` with the k-th request failing. What it throws has to be one of the two.
template <class F>
answer with_failure(int k, F body) {
  has_failed = false;
  left_before_failure = k;
  answer told = answer::done;
  try {
    body();
  } catch (const std::bad_alloc&) {
    told = answer::refused;
  } catch (const std::system_error& e) {
    left_before_failure = -1;
    told = answer::refused;
    EXPECT_NE(std::string(e.what()).find("detent: "), std::string::npos) << "no operation is named: " << e.what();
  }
  left_before_failure = -1;
  return told;
}

// `attempt(k)` for every k until nothing fails any more. Answers how many failures there were.
template <class Attempt>
int for_every_failure(Attempt attempt) {
  for (int k = 0; k < 500; ++k) {
    SCOPED_TRACE("request " + std::to_string(k));
    attempt(k);
    if (testing::Test::HasFailure() || !has_failed) return k;
  }
  ADD_FAILURE() << "fails for ever";
  return 0;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    if (::syscall(SYS_fcntl, fd, 1 /* F_GETFD */) >= 0) ++count;
  }
  return count;
}

enum class seat { driver, pool, user, watched };

service_options options_of(seat where, const std::shared_ptr<int>& witness) {
  service_options options;
  options.name = "a name that is longer than what a string holds in itself";
  options.on_slow_call = [witness](const slow_call&) {};
  switch (where) {
    case seat::driver: options.executor = on_driver{}; break;
    case seat::pool: options.executor = pool{3}; break;
    case seat::watched: options.call_limit = 1s; break;
    case seat::user:
      options.drive = drive::by_user;
      options.executor = on_driver{};
      break;
  }
  return options;
}

// Whether a timer of this service still fires.
void expect_works(timer_service& service) {
  std::atomic<bool> fired{false};
  timer t{service, [&] { fired = true; }};
  EXPECT_EQ(t.arm_after(0s), arm_result::armed);
  support::eventually([&] {
    service.run_due();
    return fired.load();
  });
  t.close_and_wait();
}

class Resources : public testing::TestWithParam<seat> {};

TEST_P(Resources, AServiceIsMadeOrRefused) {
  const std::size_t before = open_descriptors();
  const int sites = for_every_failure([&](int k) {
    auto witness = std::make_shared<int>(0);
    const std::weak_ptr<int> gone = witness;
    std::optional<timer_service> service;
    service_options options = options_of(GetParam(), witness);
    witness.reset();
    const answer told = with_failure(k, [&] { service.emplace(std::move(options)); });
    EXPECT_EQ(told == answer::refused, has_failed);
    options = {};
    if (told == answer::done) expect_works(*service);
    service.reset();
    EXPECT_TRUE(gone.expired()) << "something of the service is still there";
    EXPECT_EQ(open_descriptors(), before);
  });
  EXPECT_GT(sites, 0);
}

TEST_P(Resources, TheFormWithAnErrorCodeSetsIt) {
  for_every_failure([&](int k) {
    service_options options = options_of(GetParam(), nullptr);
    std::error_code error;
    std::optional<timer_service> service;
    EXPECT_EQ(with_failure(k, [&] { service.emplace(std::move(options), error); }), answer::done);
    EXPECT_EQ(static_cast<bool>(error), has_failed);
    EXPECT_EQ(static_cast<bool>(*service), !has_failed);
  });
}

TEST(ResourcesOfAManualClock, AServiceOnItIsMadeOrRefused) {
  for_every_failure([](int k) {
    manual_clock clock;
    service_options options;
    options.clock = &clock;
    options.executor = on_driver{};
    std::error_code error;
    std::optional<timer_service> service;
    EXPECT_EQ(with_failure(k, [&] { service.emplace(std::move(options), error); }), answer::done);
    EXPECT_EQ(static_cast<bool>(error), has_failed);
    EXPECT_EQ(static_cast<bool>(*service), !has_failed);
    if (!*service) return;
    int calls = 0;
    timer t(*service, [&] { ++calls; });
    t.arm_after(1s);
    EXPECT_EQ(clock.advance(1s), 1U);
    EXPECT_EQ(calls, 1);
  });
}

// What the first move could not do, the next one does.
TEST(ResourcesOfAManualClock, AMoveWithoutMemoryLeavesItMovable) {
  for_every_failure([](int k) {
    manual_clock clock;
    timer_service service(clock);
    int calls = 0;
    timer t(service, [&] { ++calls; });
    t.arm_after(1s);
    const answer told = with_failure(k, [&] { clock.advance(1s); });
    EXPECT_EQ(told, has_failed ? answer::refused : answer::done);
    clock.advance(1s);
    EXPECT_EQ(calls, 1);
  });
}

// A callable too large for the record is on the heap.
TEST(ResourcesOfATimer, TheFormWithAnErrorCodeSetsIt) {
  timer_service service;
  int failures = 0;
  for_every_failure([&](int k) {
    const auto witness = std::make_shared<int>(0);
    {
      std::array<std::byte, 500> large{};
      std::error_code error;
      timer t;
      EXPECT_EQ(with_failure(k,
                             [&] {
                               t = timer(
                                   service, {.name = "large"}, [large, witness] { (void)large; }, error);
                             }),
                answer::done);
      EXPECT_EQ(error == std::errc::not_enough_memory, has_failed);
      EXPECT_EQ(static_cast<bool>(t), !has_failed);
      if (has_failed) ++failures;
    }
    EXPECT_EQ(witness.use_count(), 1);
  });
  EXPECT_GE(failures, 2) << "the name and the callable at least";
}

// Everything that creates, in a service of its own for each failure, so that its first records and clocks fail too. A
// refusal that is an answer is thrown on.
struct creating_operation {
  const char* name;
  void (*make)(timer_service&);
};

using big = std::array<std::byte, 500>;

const creating_operation creating[] = {
    {"timer",
     [](timer_service& s) {
       timer t{s, [] {}};
     }},
    {"named timer",
     [](timer_service& s) {
       timer_options o;
       o.name = "a name that is longer than what a string holds in itself";
       timer t{s, o, [] {}};
     }},
    {"big capture",
     [](timer_service& s) {
       timer t{s, [much = big{}] { static_cast<void>(much); }};
     }},
    {"boottime timer",
     [](timer_service& s) {
       boottime_timer t{s, [] {}};
     }},
    {"system timer",
     [](timer_service& s) {
       system_timer t{s, [] {}};
       t.arm_after(0s);
     }},
    {"group", [](timer_service& s) { timer_group g(s, {.name = "a name that is longer than a string holds"}); }},
    {"child group and member",
     [](timer_service& s) {
       timer_group parent(s);
       timer_group child(parent, {.order = group_order::serial});
       timer t{child, [] {}};
       t.arm_after(0s);
     }},
    {"once", [](timer_service& s) { static_cast<void>(s.once(1h, [much = big{}] { static_cast<void>(much); })); }},
    {"every", [](timer_service& s) { static_cast<void>(s.every(1h, [] {})); }},
    {"descriptor",
     [](timer_service& s) {
       if (s.fd() < 0 && has_failed) throw std::bad_alloc{};
     }},
    {"close_then",
     [](timer_service& s) {
       timer t{s, [] {}};
       const then_result told = t.close_then([much = big{}] { static_cast<void>(much); });
       if (told != then_result::accepted) throw std::bad_alloc{};
     }},
    {"snapshot",
     [](timer_service& s) {
       timer_options o;
       o.name = "a name that is longer than what a string holds in itself";
       timer t{s, o, [] {}};
       if (t.arm_after(1h) != arm_result::armed) return;  // Shut down before.
       EXPECT_GE(s.snapshot().size(), 1U);
       EXPECT_GE(s.active().size(), 1U);
       EXPECT_TRUE(s.info(t.id()).has_value());
       EXPECT_FALSE(t.name().empty());
       EXPECT_EQ(s.counters().early, 0U);
     }},
};

TEST_P(Resources, WhatCreatesIsRefusedAndNothingIsLost) {
  for (const creating_operation& operation : creating) {
    SCOPED_TRACE(operation.name);
    const std::size_t before = open_descriptors();
    for_every_failure([&](int k) {
      auto witness = std::make_shared<int>(0);
      const std::weak_ptr<int> gone = witness;
      {
        timer_service service(options_of(GetParam(), witness));
        witness.reset();
        const answer told = with_failure(k, [&] { operation.make(service); });
        const bool failed = has_failed;
        EXPECT_EQ(told == answer::refused, failed);
        expect_works(service);
        service.shutdown();
        // The thread of the last call gives the record back after the call's end, for which shutdown waits.
        EXPECT_TRUE(support::eventually([&] { return service.counters().alive == 0; }));
        operation.make(service);  // Born closed, and no harm.
        has_failed = failed;
      }
      EXPECT_TRUE(gone.expired()) << "something of the service is still there";
      EXPECT_EQ(open_descriptors(), before);
    });
  }
}

// The report of a shutdown names what still runs. Without memory for the names it throws, and a later one tells.
TEST_P(Resources, AShutdownWithoutMemoryForItsReport) {
  if (GetParam() == seat::user) GTEST_SKIP() << "nothing can be running but what this thread runs";
  for_every_failure([&](int k) {
    auto witness = std::make_shared<int>(0);
    const std::weak_ptr<int> gone = witness;
    {
      timer_service service(options_of(GetParam(), witness));
      witness.reset();
      support::gate runs;
      support::gate may_end;
      timer_options named;
      named.name = "a name that is longer than what a string holds in itself";
      timer t{service, named, [&] {
                runs.open();
                may_end.pass();
              }};
      t.arm_after(0s);
      runs.pass();
      shutdown_report told;
      EXPECT_EQ(with_failure(k, [&] { told = service.shutdown({}, 1ms); }), answer::done);
      EXPECT_FALSE(told.complete);
      EXPECT_LE(told.still_running.size(), 1U);
      const bool failed = has_failed;
      EXPECT_EQ(service.shutdown({}, 1ms).still_running.size(), 1U);
      may_end.open();
      EXPECT_TRUE(service.shutdown().complete);
      has_failed = failed;
    }
    EXPECT_TRUE(gone.expired()) << "something of the service is still there";
  });
}

std::string name_of(const testing::TestParamInfo<seat>& info) {
  static const char* const names[] = {"driver", "pool", "user", "watched"};
  return names[static_cast<std::size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Faults, Resources, testing::Values(seat::driver, seat::pool, seat::user, seat::watched),
                         name_of);

}  // namespace
