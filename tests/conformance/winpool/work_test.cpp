// Simple callbacks and work, S1 to S7 and W1 to W4: each scenario in the order of events, with gates for the sleeps of
// the original.
#include "conformance/winpool/pool_rig.hpp"

#include <vector>

using namespace winpool_test;

namespace {

void NTAPI open_gate(PTP_CALLBACK_INSTANCE, PVOID at) { static_cast<gate*>(at)->open(); }
void NTAPI count_simple(PTP_CALLBACK_INSTANCE, PVOID at) { ++*static_cast<std::atomic<int>*>(at); }
void NTAPI count_work(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WORK) { ++*static_cast<std::atomic<int>*>(at); }

TEST(winpool_simple, S1_default_pool) {
  gate run;
  ASSERT_TRUE(TrySubmitThreadpoolCallback(open_gate, &run, nullptr));
  EXPECT_TRUE(run.pass());
}

TEST(winpool_simple, S2_own_pool) {
  rig r(4);
  gate run;
  ASSERT_TRUE(r.submit(open_gate, &run));
  EXPECT_TRUE(run.pass());
}

TEST(winpool_simple, S3_each_priority) {
  rig r(2);
  for (const auto priority : {TP_CALLBACK_PRIORITY_HIGH, TP_CALLBACK_PRIORITY_NORMAL, TP_CALLBACK_PRIORITY_LOW}) {
    SetThreadpoolCallbackPriority(&r.environment, priority);
    gate run;
    ASSERT_TRUE(r.submit(open_gate, &run));
    EXPECT_TRUE(run.pass());
  }
}

struct order {
  std::vector<int> seen;  // by the pool's one thread
  std::atomic<int> count{0};
};
template <int Which>
void NTAPI note(PTP_CALLBACK_INSTANCE, PVOID at) {
  static_cast<order*>(at)->seen.push_back(Which);
  ++static_cast<order*>(at)->count;
}

TEST(winpool_simple, S3_higher_priority_goes_first) {
  rig r(1);
  desk blocker;
  block_one_thread(r, blocker);
  order o;
  const PTP_SIMPLE_CALLBACK notes[] = {note<0>, note<1>, note<2>};
  for (const auto priority : {TP_CALLBACK_PRIORITY_LOW, TP_CALLBACK_PRIORITY_NORMAL, TP_CALLBACK_PRIORITY_HIGH}) {
    SetThreadpoolCallbackPriority(&r.environment, priority);
    ASSERT_TRUE(r.submit(notes[priority], &o));
  }
  blocker.let_go.open();
  eventually([&] { return o.count == 3; });
  EXPECT_EQ(o.seen, (std::vector<int>{0, 1, 2}));
}

TEST(winpool_simple, S4_bad_environments_are_invalid_parameters) {
  rig r(2);
  gate run;
  SetThreadpoolCallbackPriority(&r.environment, TP_CALLBACK_PRIORITY_INVALID);
  SetLastError(0);
  EXPECT_FALSE(r.submit(open_gate, &run));
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_PARAMETER});
  SetThreadpoolCallbackPriority(&r.environment, TP_CALLBACK_PRIORITY_NORMAL);
  r.environment.Version = 9999;
  SetLastError(0);
  EXPECT_EQ(CreateThreadpoolWork(visit_work, nullptr, &r.environment), nullptr);
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_PARAMETER});
  EXPECT_EQ(CreateThreadpoolTimer(nullptr, nullptr, nullptr), nullptr);
  EXPECT_FALSE(run.is_open());
}

TEST(winpool_simple, S4_an_environment_of_version_1_has_no_priority) {
  rig r(2);
  r.environment.Version = 1;
  SetThreadpoolCallbackPriority(&r.environment, TP_CALLBACK_PRIORITY_INVALID);
  gate run;
  ASSERT_TRUE(r.submit(open_gate, &run));
  EXPECT_TRUE(run.pass());
}

TEST(winpool_simple, S5_closing_members_waits_for_what_runs) {
  rig r(1, true);
  desk d;
  block_one_thread(r, d);
  std::atomic<bool> returned{false};
  support::background closer([&] {
    CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
    EXPECT_EQ(d.over, 1);
    returned = true;
  });
  EXPECT_TRUE(never([&] { return returned.load(); }));
  d.let_go.open();
}

TEST(winpool_simple, S6_closing_members_with_cancel_drops_what_is_queued) {
  rig r(10, true);
  desk d;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(r.submit(visit_simple, &d));
  eventually([&] { return d.now == 10; });
  support::background closer([&] { CloseThreadpoolCleanupGroupMembers(r.group, TRUE, nullptr); });
  EXPECT_TRUE(never([&] { return d.calls != 10 || closer.is_done(); }));
  d.let_go.open();
  closer.join();
  EXPECT_EQ(d.calls, 10);
  EXPECT_EQ(d.over, 10);
}

void NTAPI tell_stack(PTP_CALLBACK_INSTANCE, PVOID at) {
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  std::size_t bytes = 0;
  pthread_attr_getstacksize(&attributes, &bytes);
  pthread_attr_destroy(&attributes);
  *static_cast<std::atomic<std::size_t>*>(at) = bytes;
}

TEST(winpool_simple, S7_stack_information_reads_back_and_is_obeyed) {
  rig r(1);
  TP_POOL_STACK_INFORMATION odd{3, 5};
  EXPECT_TRUE(SetThreadpoolStackInformation(r.pool, &odd));
  TP_POOL_STACK_INFORMATION read{};
  EXPECT_TRUE(QueryThreadpoolStackInformation(r.pool, &read));
  EXPECT_EQ(read.StackReserve, 3u);
  EXPECT_EQ(read.StackCommit, 5u);
  TP_POOL_STACK_INFORMATION large{3 << 20, 0};
  EXPECT_TRUE(SetThreadpoolStackInformation(r.pool, &large));
  std::atomic<std::size_t> bytes{0};
  ASSERT_TRUE(r.submit(tell_stack, &bytes));
  eventually([&] { return bytes != 0; });
  EXPECT_GE(bytes, std::size_t{3 << 20} - 65536);  // without its guard
}

TEST(winpool_pool, threads_up_to_the_maximum_and_no_more) {
  rig r(3);
  desk d;
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(r.submit(visit_simple, &d));
  eventually([&] { return d.now == 3; });
  EXPECT_TRUE(never([&] { return d.now > 3; }));
  SetThreadpoolThreadMaximum(r.pool, 5);
  eventually([&] { return d.now == 5; });
  d.let_go.open();
  eventually([&] { return d.over == 8; });
  EXPECT_TRUE(SetThreadpoolThreadMinimum(r.pool, 7));
}

TEST(winpool_pool, closed_pool_lives_until_its_objects_are_gone) {
  auto* r = new rig(1);
  std::atomic<int> calls{0};
  PTP_WORK work = CreateThreadpoolWork(count_work, &calls, &r->environment);
  delete r;
  SubmitThreadpoolWork(work);
  WaitForThreadpoolWorkCallbacks(work, FALSE);
  EXPECT_EQ(calls, 1);
  CloseThreadpoolWork(work);
}

TEST(winpool_work, W1_posts_are_counted) {
  rig r(1);
  std::atomic<int> calls{0};
  PTP_WORK work = CreateThreadpoolWork(count_work, &calls, &r.environment);
  for (int i = 0; i < 5; ++i) SubmitThreadpoolWork(work);
  WaitForThreadpoolWorkCallbacks(work, FALSE);
  EXPECT_EQ(calls, 5);
  CloseThreadpoolWork(work);
}

TEST(winpool_work, W2_wait_with_cancel_drops_what_is_queued) {
  rig r(1);
  desk d;
  PTP_WORK work = CreateThreadpoolWork(visit_work, &d, &r.environment);
  for (int i = 0; i < 10; ++i) SubmitThreadpoolWork(work);
  eventually([&] { return d.now == 1; });
  support::background waiter([&] { WaitForThreadpoolWorkCallbacks(work, TRUE); });
  EXPECT_TRUE(never([&] { return waiter.is_done(); }));
  d.let_go.open();
  waiter.join();
  EXPECT_EQ(d.calls, 1);
  EXPECT_EQ(d.over, 1);
  CloseThreadpoolWork(work);
}

struct turns {
  std::vector<int>* seen;
  int which;
};
void NTAPI note_turn(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WORK) {
  auto* t = static_cast<turns*>(at);
  t->seen->push_back(t->which);
}

TEST(winpool_work, W3_objects_take_turns) {
  rig r(1);
  desk blocker;
  block_one_thread(r, blocker);
  std::vector<int> seen;
  turns first{&seen, 1};
  turns second{&seen, 2};
  PTP_WORK a = CreateThreadpoolWork(note_turn, &first, &r.environment);
  PTP_WORK b = CreateThreadpoolWork(note_turn, &second, &r.environment);
  for (int i = 0; i < 10; ++i) SubmitThreadpoolWork(a);
  for (int i = 0; i < 10; ++i) SubmitThreadpoolWork(b);
  blocker.let_go.open();
  WaitForThreadpoolWorkCallbacks(a, FALSE);
  WaitForThreadpoolWorkCallbacks(b, FALSE);
  ASSERT_EQ(seen.size(), 20u);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i % 2 == 0 ? 1 : 2) << i;
  CloseThreadpoolWork(a);
  CloseThreadpoolWork(b);
}

TEST(winpool_work, W4_a_group_waits_for_its_own_only) {
  rig r(1, true);
  desk blocker;
  block_one_thread(r, blocker);
  TP_CALLBACK_ENVIRON plain = r.ungrouped();
  std::atomic<int> grouped{0};
  desk d;
  PTP_WORK alone = CreateThreadpoolWork(visit_work, &d, &plain);
  PTP_WORK member = CreateThreadpoolWork(count_work, &grouped, &r.environment);
  for (int i = 0; i < 3; ++i) SubmitThreadpoolWork(member);
  for (int i = 0; i < 10; ++i) SubmitThreadpoolWork(alone);
  support::background waiter([&] {
    CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
    EXPECT_EQ(grouped, 3);
    WaitForThreadpoolWorkCallbacks(alone, TRUE);
  });
  d.let_go.open();
  blocker.let_go.open();
  waiter.join();
  EXPECT_EQ(grouped, 3);
  EXPECT_LE(d.calls, 10);
  CloseThreadpoolWork(alone);
}

struct chain {
  std::atomic<int> left{3};
};
void NTAPI submit_itself(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WORK self) {
  if (--static_cast<chain*>(at)->left > 0) SubmitThreadpoolWork(self);
}

TEST(winpool_work, a_callback_submits_and_closes_itself) {
  rig r(1);
  chain c;
  PTP_WORK work = CreateThreadpoolWork(submit_itself, &c, &r.environment);
  SubmitThreadpoolWork(work);
  eventually([&] { return c.left == 0; });
  WaitForThreadpoolWorkCallbacks(work, FALSE);
  CloseThreadpoolWork(work);
}

// A wait is for what was there when it began: somebody who goes on submitting cannot keep it.
TEST(winpool_work, a_wait_ends_while_others_go_on_submitting) {
  rig r(2);
  desk slow;
  PTP_WORK work = CreateThreadpoolWork(visit_work, &slow, &r.environment);
  std::atomic<int> calls{0};
  PTP_WORK busy = CreateThreadpoolWork(count_work, &calls, &r.environment);
  std::atomic<bool> go_on{true};
  support::background submitter([&] {
    while (go_on) {
      SubmitThreadpoolWork(busy);
      std::this_thread::yield();
    }
  });
  eventually([&] { return calls > 0; });
  for (int i = 0; i < 10; ++i) WaitForThreadpoolWorkCallbacks(busy, FALSE);
  go_on = false;
  submitter.join();
  WaitForThreadpoolWorkCallbacks(busy, TRUE);
  CloseThreadpoolWork(busy);
  CloseThreadpoolWork(work);
}

TEST(winpool_simple, ten_thousand_from_four_threads_run_once_each) {
  rig r(8, true);
  std::atomic<int> calls{0};
  {
    std::vector<std::thread> submitters;
    for (int t = 0; t < 4; ++t) {
      submitters.emplace_back([&] {
        for (int i = 0; i < 2500; ++i) EXPECT_TRUE(r.submit(count_simple, &calls));
      });
    }
    for (auto& t : submitters) t.join();
  }
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  EXPECT_EQ(calls, 10'000);
}

}  // namespace
