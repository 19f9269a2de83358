// The hot paths, each on a fixed small run, for a tool that counts instructions. What stands in `counted` is counted,
// setting up and working off is not.
//
//   bench_instructions              names the paths
//   bench_instructions PATH         runs one: as many operations as it prints
#include <detent/detent.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

using namespace std::chrono_literals;
using instants = detent::steady_clock::time_point;

constexpr std::uint32_t timer_count = 1000;
constexpr std::uint32_t rounds = 10;

struct callback {
  std::uint64_t* fired;
  void* second = nullptr;
  void* third = nullptr;
  void operator()() const noexcept { ++*fired; }
};

/// A service with its timers, nothing of which has a thread: the count is the same in every run.
struct world {
  explicit world(detent::sharing shared) : service(options(shared)) {
    for (std::uint32_t i = 0; i < timer_count; ++i) timers.emplace_back(service, callback{&fired});
  }

  static detent::service_options options(detent::sharing shared) {
    detent::service_options chosen;
    chosen.drive = detent::drive::by_user;
    chosen.executor = detent::on_driver{};
    chosen.sharing = shared;
    return chosen;
  }

  void arm_all(std::chrono::nanoseconds delay) {
    for (detent::timer& t : timers) t.arm_after(delay, now);
    service.run_due();
  }

  std::uint64_t fired = 0;
  detent::timer_service service;
  std::vector<detent::timer> timers;
  instants now = detent::steady_clock::now();
};

/// Everything that is counted is inside a call of this function.
template <class F>
__attribute__((noinline)) void counted(F&& f) {
  f();
  asm volatile("" : : : "memory");
}

template <class Operation>
std::uint32_t on_each(world& w, Operation&& operation) {
  w.arm_all(10s);
  counted([&] {
    for (std::uint32_t k = 0; k < rounds; ++k) {
      for (detent::timer& t : w.timers) operation(t);
    }
  });
  return rounds * timer_count;
}

std::uint32_t churn(world& w) {
  return on_each(w, [&w](detent::timer& t) {
    t.cancel();
    t.arm_after(20s, w.now);
  });
}

std::uint32_t churn_exact(world& w) {
  return on_each(w, [](detent::timer& t) {
    t.cancel();
    t.arm_after(20s);
  });
}

std::uint32_t postpone(world& w) {
  return on_each(w, [&w](detent::timer& t) { t.arm_after(20s, w.now); });
}

/// Every arming is earlier than the one before, and the driver files it.
std::uint32_t earlier(world& w) {
  w.arm_all(60s);
  counted([&] {
    for (std::uint32_t k = 0; k < rounds; ++k) {
      for (detent::timer& t : w.timers) t.arm_after(59s - k * 3s, w.now);
      w.service.run_due();
    }
  });
  return rounds * timer_count;
}

std::uint32_t turnover(world& w) {
  return on_each(w, [&w](detent::timer& t) {
    t = {};
    t = detent::timer(w.service, callback{&w.fired});
    t.arm_after(20s, w.now);
  });
}

std::uint32_t fire(world& w) {
  for (std::uint32_t k = 0; k < rounds; ++k) {
    for (detent::timer& t : w.timers) t.arm_after(0s);
    counted([&] { w.service.run_due(); });
  }
  return rounds * timer_count;
}

struct path {
  const char* name;
  detent::sharing shared;
  std::uint32_t (*run)(world&);
};

constexpr auto any = detent::sharing::any_thread;
constexpr auto one = detent::sharing::one_thread;
constexpr path paths[] = {
    {"churn", any, churn},
    {"churn-one-thread", one, churn},
    {"churn-exact", any, churn_exact},
    {"postpone", any, postpone},
    {"postpone-one-thread", one, postpone},
    {"earlier", any, earlier},
    {"earlier-one-thread", one, earlier},
    {"turnover", any, turnover},
    {"turnover-one-thread", one, turnover},
    {"fire", any, fire},
    {"fire-one-thread", one, fire},
};

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count < 2) {
    for (const path& p : paths) std::puts(p.name);
    return 0;
  }
  for (const path& p : paths) {
    if (std::strcmp(p.name, arguments[1]) != 0) continue;
    world w(p.shared);
    std::printf("%u\n", p.run(w));
    return 0;
  }
  std::fprintf(stderr, "%s: no path is called '%s'\n", arguments[0], arguments[1]);
  return 2;
}
