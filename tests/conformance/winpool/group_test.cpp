// Cleanup groups: GW1 to GW3 and GC1 to GC5, and a group whose members come and go while it is closed.
#include "conformance/winpool/pool_rig.hpp"

#include <mutex>
#include <vector>

using namespace winpool_test;

namespace {

// --- GW: a member releases itself in its callback while another thread waits in the close. --------------------------

struct self_release {
  gate in;
  gate let_go;
  std::atomic<int> calls{0};
  void visit() {
    ++calls;
    in.open();
    let_go.pass();
  }
};
void NTAPI release_work(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WORK self) {
  static_cast<self_release*>(at)->visit();
  CloseThreadpoolWork(self);
}
void NTAPI release_timer(PTP_CALLBACK_INSTANCE, PVOID at, PTP_TIMER self) {
  static_cast<self_release*>(at)->visit();
  CloseThreadpoolTimer(self);
}
void NTAPI release_wait(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WAIT self, TP_WAIT_RESULT) {
  static_cast<self_release*>(at)->visit();
  CloseThreadpoolWait(self);
}

std::atomic<int> cancelled_in_GW{0};
void NTAPI count_cancelled(PVOID, PVOID) { ++cancelled_in_GW; }

// GC3 is the same with cancel: who released himself is not told that he was cancelled.
template <class Start>
void close_while_it_releases_itself(BOOL cancel, Start start) {
  cancelled_in_GW = 0;
  rig r(4, true, count_cancelled);
  for (int round = 0; round < 2; ++round) {  // The group can be used again.
    self_release s;
    start(r, s);
    s.in.pass();
    support::background closer([&] { CloseThreadpoolCleanupGroupMembers(r.group, cancel, nullptr); });
    EXPECT_TRUE(never([&] { return closer.is_done(); }));
    s.let_go.open();
    closer.join();
    EXPECT_EQ(s.calls, 1);
    EXPECT_EQ(cancelled_in_GW, 0);
  }
}

void start_work(rig& r, self_release& s) {
  SubmitThreadpoolWork(CreateThreadpoolWork(release_work, &s, &r.environment));
}
void start_timer(rig& r, self_release& s) {
  FILETIME now = file_time(0);
  SetThreadpoolTimer(CreateThreadpoolTimer(release_timer, &s, &r.environment), &now, 0, 0);
}
void start_wait(rig& r, self_release& s) {
  HANDLE event = CreateEvent(nullptr, FALSE, TRUE, nullptr);
  SetThreadpoolWait(CreateThreadpoolWait(release_wait, &s, &r.environment), event, nullptr);
  s.in.pass();
  CloseHandle(event);
}

TEST(winpool_group, GW1_work_releases_itself) { close_while_it_releases_itself(FALSE, start_work); }
TEST(winpool_group, GW2_timer_releases_itself) { close_while_it_releases_itself(FALSE, start_timer); }
TEST(winpool_group, GW3_wait_releases_itself) { close_while_it_releases_itself(FALSE, start_wait); }
TEST(winpool_group, GC3_released_itself_no_cancel_callback) {
  close_while_it_releases_itself(TRUE, start_work);
  close_while_it_releases_itself(TRUE, start_timer);
  close_while_it_releases_itself(TRUE, start_wait);
}

// --- GC: who is told that he was cancelled.

struct told {
  PVOID object;
  PVOID cleanup;
  std::thread::id on;
  int over;  // calls that had ended by then
};
std::vector<told> tellings;  // by the closing thread only
desk* desk_of_GC = nullptr;

void NTAPI tell(PVOID object, PVOID cleanup) {
  tellings.push_back({object, cleanup, std::this_thread::get_id(), desk_of_GC->over.load()});
}

void NTAPI must_not_run_simple(PTP_CALLBACK_INSTANCE, PVOID) { ADD_FAILURE() << "called"; }
void NTAPI must_not_run_work(PTP_CALLBACK_INSTANCE, PVOID, PTP_WORK) { ADD_FAILURE() << "called"; }
void NTAPI must_not_run_timer(PTP_CALLBACK_INSTANCE, PVOID, PTP_TIMER) { ADD_FAILURE() << "called"; }
void NTAPI must_not_run_wait(PTP_CALLBACK_INSTANCE, PVOID, PTP_WAIT, TP_WAIT_RESULT) { ADD_FAILURE() << "called"; }

struct long_blocker {
  desk d;
  std::atomic<BOOL> may{TRUE};
  std::atomic<DWORD> error{0};
};
void NTAPI block_long(PTP_CALLBACK_INSTANCE instance, PVOID at) {
  auto* b = static_cast<long_blocker*>(at);
  b->may = CallbackMayRunLong(instance);
  b->error = GetLastError();
  b->d.visit();
}

TEST(winpool_group, GC1_each_member_is_told_once_and_never_called) {
  long_blocker b;
  rig r(1, true, tell);
  TP_CALLBACK_ENVIRON plain = r.ungrouped();
  ASSERT_TRUE(TrySubmitThreadpoolCallback(block_long, &b, &plain));
  eventually([&] { return b.d.now == 1; });
  EXPECT_EQ(b.may, FALSE);
  EXPECT_EQ(b.error, DWORD{ERROR_TOO_MANY_TCBS});

  tellings.clear();
  desk_of_GC = &b.d;
  int contexts[4] = {};
  int cleanup = 0;
  ASSERT_TRUE(r.submit(must_not_run_simple, &contexts[0]));
  ASSERT_NE(CreateThreadpoolWork(must_not_run_work, &contexts[1], &r.environment), nullptr);
  ASSERT_NE(CreateThreadpoolTimer(must_not_run_timer, &contexts[2], &r.environment), nullptr);
  ASSERT_NE(CreateThreadpoolWait(must_not_run_wait, &contexts[3], &r.environment), nullptr);
  CloseThreadpoolCleanupGroupMembers(r.group, TRUE, &cleanup);
  ASSERT_EQ(tellings.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(tellings[i].object, &contexts[i]);
    EXPECT_EQ(tellings[i].cleanup, &cleanup);
    EXPECT_EQ(tellings[i].on, std::this_thread::get_id());
  }
  b.d.let_go.open();
  eventually([&] { return b.d.over == 1; });
}

TEST(winpool_group, GC2_told_after_the_running_callback) {
  desk d;
  rig r(1, true, tell);
  tellings.clear();
  desk_of_GC = &d;
  PTP_WORK work = CreateThreadpoolWork(visit_work, &d, &r.environment);
  SubmitThreadpoolWork(work);
  SubmitThreadpoolWork(work);
  eventually([&] { return d.now == 1; });
  support::background closer([&] { CloseThreadpoolCleanupGroupMembers(r.group, TRUE, nullptr); });
  EXPECT_TRUE(never([&] { return closer.is_done(); }));
  d.let_go.open();
  closer.join();
  EXPECT_EQ(d.calls, 1);
  ASSERT_EQ(tellings.size(), 1u);
  EXPECT_EQ(tellings[0].object, &d);
  EXPECT_EQ(tellings[0].over, 1);
}

TEST(winpool_group, GC4_a_simple_callback_that_completes_is_not_told) {
  desk d;
  rig r(1, true, tell);
  tellings.clear();
  desk_of_GC = &d;
  block_one_thread(r, d);
  support::background closer([&] { CloseThreadpoolCleanupGroupMembers(r.group, TRUE, nullptr); });
  EXPECT_TRUE(never([&] { return closer.is_done(); }));
  d.let_go.open();
  closer.join();
  EXPECT_EQ(d.over, 1);
  EXPECT_TRUE(tellings.empty());
}

TEST(winpool_group, GC5_ten_posts_of_one_object_are_told_once) {
  desk d;
  rig r(1, true, tell);
  tellings.clear();
  desk_of_GC = &d;
  PTP_WORK work = CreateThreadpoolWork(visit_work, &d, &r.environment);
  for (int i = 0; i < 10; ++i) SubmitThreadpoolWork(work);
  eventually([&] { return d.now == 1; });
  support::background closer([&] { CloseThreadpoolCleanupGroupMembers(r.group, TRUE, nullptr); });
  EXPECT_TRUE(never([&] { return closer.is_done(); }));
  d.let_go.open();
  closer.join();
  EXPECT_EQ(tellings.size(), 1u);
  EXPECT_LE(d.calls, 5);
}

TEST(winpool_group, without_cancel_nobody_is_told) {
  desk d;
  rig r(1, true, tell);
  tellings.clear();
  desk_of_GC = &d;
  d.let_go.open();
  SubmitThreadpoolWork(CreateThreadpoolWork(visit_work, &d, &r.environment));
  ASSERT_NE(CreateThreadpoolTimer(must_not_run_timer, nullptr, &r.environment), nullptr);
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  EXPECT_EQ(d.over, 1);
  EXPECT_TRUE(tellings.empty());
}

// A timer of the group that is armed again by its own callback cannot escape the close.
void NTAPI rearm_now(PTP_CALLBACK_INSTANCE, PVOID at, PTP_TIMER self) {
  ++*static_cast<std::atomic<int>*>(at);
  FILETIME now = file_time(0);
  SetThreadpoolTimer(self, &now, 0, 0);
}

TEST(winpool_group, a_timer_that_arms_itself_cannot_escape) {
  std::atomic<int> calls{0};
  rig r(4, true);
  for (int i = 0; i < 10; ++i) {
    PTP_TIMER timer = CreateThreadpoolTimer(rearm_now, &calls, &r.environment);
    const int before = calls;
    FILETIME now = file_time(0);
    SetThreadpoolTimer(timer, &now, 0, 0);
    eventually([&] { return calls > before; });
    CloseThreadpoolCleanupGroupMembers(r.group, i % 2, nullptr);
    const int after = calls;
    std::this_thread::yield();
    EXPECT_EQ(calls, after);
  }
}

// Members join while others are being closed; whoever joins later is closed by the next.
void NTAPI count_simple(PTP_CALLBACK_INSTANCE, PVOID at) { ++*static_cast<std::atomic<int>*>(at); }

TEST(winpool_group, members_join_while_it_is_closed) {
  std::atomic<int> calls{0};
  rig r(4, true);
  std::atomic<bool> go_on{true};
  std::atomic<int> submitted{0};
  support::background submitter([&] {
    while (go_on && submitted < 20'000) {
      if (r.submit(count_simple, &calls)) ++submitted;
    }
  });
  for (int i = 0; i < 100; ++i) CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  go_on = false;
  submitter.join();
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  EXPECT_EQ(calls, submitted);
}

}  // namespace
