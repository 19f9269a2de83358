// R-RECALL, instruction by instruction: the worker's thread is stopped at each instruction between the end of one item
// and the beginning of the next, and somebody looks at the queue there. An item that he still sees in it has not begun:
// what he posts with a higher priority runs first, and each item runs once. Notices a step that looks and writes
// instead of replacing, at the one instruction where that matters.
#include <detent/worker.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <string>
#include <support/child.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <ucontext.h>

#include <gtest/gtest.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace {

using detent::post_result;

#if defined(__x86_64__)

constexpr unsigned long long trap_flag = 0x100;

// Of the thread that is stepped, and of the handler on it.
std::atomic<int> steps{0};
std::atomic<int> stop_at{-1};
std::atomic<bool> stopped{false};
std::atomic<bool> looked{false};

// At its instruction it waits until somebody has looked; but where the thread has the worker's lock nobody can.
void at_instruction(int, siginfo_t*, void* context) {
  if (steps.fetch_add(1) != stop_at.load()) return;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~static_cast<long long>(trap_flag);
  stopped.store(true);
  for (int i = 0; i < 100 && !looked.load(); ++i) {
    const timespec moment{0, 1'000'000};
    ::nanosleep(&moment, nullptr);
  }
}

// One round in a child: what comes out of order, or twice, may crash.
// Answers 0: whole; 1: not; 2: the thread came to the second item before that instruction; 3: no instruction trapped.
int round_stopped_at(int instruction) {
  struct sigaction action {};
  action.sa_sigaction = &at_instruction;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGTRAP, &action, nullptr);
  stop_at.store(instruction);
  support::gate busy;
  support::gate release;
  std::array<std::atomic<int>, 4> begun{};  // when each of the items began: a, b, c, urgent
  std::atomic<int> times{0};
  const auto notes = [&](std::size_t which) { return [&, which] { begun[which].store(times.fetch_add(1) + 1); }; };
  detent::timer_service service;
  detent::worker w(service, {.name = "stepped"});
  const bool posted = w.post([&] {
    begun[0].store(times.fetch_add(1) + 1);
    sigset_t trap;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    ::pthread_sigmask(SIG_UNBLOCK, &trap, nullptr);
    busy.open();
    release.pass();
    __writeeflags(__readeflags() | trap_flag);
  }) == post_result::accepted &&
                      w.post(
                          [&] {
                            __writeeflags(__readeflags() & ~trap_flag);
                            begun[1].store(times.fetch_add(1) + 1);
                          },
                          {.name = "b"}) == post_result::accepted &&
                      w.post(notes(2), {.name = "c"}) == post_result::accepted;
  if (!posted) return 1;
  w.start();  // All three are of one batch.
  busy.pass();
  release.open();
  support::eventually([&] { return stopped.load() || begun[2].load() != 0; });
  bool seen = false;
  if (stopped.load()) {
    for (const detent::item_info& item : w.items()) seen = seen || item.name == "b";
    if (seen && w.post(notes(3), {.urgency = detent::priority::urgent}) != post_result::accepted) return 1;
  }
  looked.store(true);
  if (!w.shutdown(support::patience).complete) return 1;
  if (steps.load() == 0) return 3;
  const bool once = times.load() == (seen ? 4 : 3);
  const bool in_order = begun[1].load() < begun[2].load() && (!seen || begun[3].load() < begun[1].load());
  if (!once || !in_order) return 1;
  return stopped.load() ? 0 : 2;
}

TEST(worker_single_step, a_recall_at_each_instruction) {
  if (support::sanitized) GTEST_SKIP() << "a fork child cannot have threads here";
  bool went_past = false;
  int instruction = 0;
  for (; instruction < 5000 && !went_past; ++instruction) {
    const support::child_end end = support::in_child([&] { return round_stopped_at(instruction); });
    if (end == support::exited(3)) GTEST_SKIP() << "this machine does not trap at single instructions";
    went_past = end == support::exited(2);
    ASSERT_TRUE(went_past || end == support::exited(0)) << "instruction " << instruction << ": " << end;
  }
  EXPECT_TRUE(went_past);
  RecordProperty("instructions", instruction);
}

#else

TEST(worker_single_step, a_recall_at_each_instruction) { GTEST_SKIP() << "only x86-64 is stepped"; }

#endif

}  // namespace
