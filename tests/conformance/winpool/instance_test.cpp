// What a callback may ask about its own call: I1, I2, D1 to D4, MayRunLong, the library that stays loaded, the order of
// ...WhenCallbackReturns, and waits that callbacks make.
#include "conformance/winpool/pool_rig.hpp"

#include <detent/winpool.hpp>

#include <string>
#include <vector>

using namespace winpool_test;

namespace {

struct semaphore {
  explicit semaphore(LONG initial = 0) : handle(CreateSemaphore(nullptr, initial, 100, nullptr)) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore() { CloseHandle(handle); }
  HANDLE handle;
};

constexpr DWORD patience_ms = 30'000;
constexpr DWORD watch_ms = 20;

// --- I: what happens when the callback returns.

struct released_later {
  semaphore done;
  gate in;
  gate let_go;
};
void NTAPI release_when_returning(PTP_CALLBACK_INSTANCE instance, PVOID at) {
  auto* r = static_cast<released_later*>(at);
  ReleaseSemaphoreWhenCallbackReturns(instance, r->done.handle, 1);
  ReleaseSemaphoreWhenCallbackReturns(instance, nullptr, 7);  // the first registration counts
  r->in.open();
  r->let_go.pass();
}

TEST(winpool_instance, I1_the_semaphore_is_released_after_the_callback) {
  rig r(1);
  released_later s;
  ASSERT_TRUE(r.submit(release_when_returning, &s));
  s.in.pass();
  EXPECT_EQ(WaitForSingleObject(s.done.handle, watch_ms), DWORD{WAIT_TIMEOUT});
  s.let_go.open();
  EXPECT_EQ(WaitForSingleObject(s.done.handle, patience_ms), DWORD{WAIT_OBJECT_0});
}

struct finalized {
  std::atomic<int> step{0};
  std::atomic<int> callback_at{0};
  std::atomic<int> finalized_at{0};
  HANDLE event = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  std::atomic<DWORD> event_seen{99};
};
void NTAPI note_callback(PTP_CALLBACK_INSTANCE instance, PVOID at) {
  auto* f = static_cast<finalized*>(at);
  SetEventWhenCallbackReturns(instance, f->event);
  f->callback_at = ++f->step;
}
void NTAPI note_finalization(PTP_CALLBACK_INSTANCE, PVOID at) {
  auto* f = static_cast<finalized*>(at);
  f->event_seen = WaitForSingleObject(f->event, 0);
  f->finalized_at = ++f->step;
}

TEST(winpool_instance, I2_the_finalization_callback_runs_after_the_callback_and_before_the_event) {
  rig r(1, true);
  TpSetCallbackFinalizationCallback(&r.environment, note_finalization);
  finalized f;
  ASSERT_TRUE(r.submit(note_callback, &f));
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  // Who waited has seen all of it.
  EXPECT_EQ(WaitForSingleObject(f.event, 0), DWORD{WAIT_OBJECT_0});
  EXPECT_EQ(f.callback_at, 1);
  EXPECT_EQ(f.finalized_at, 2);
  EXPECT_EQ(f.event_seen, DWORD{WAIT_TIMEOUT});
  CloseHandle(f.event);
}

struct all_kinds {
  CRITICAL_SECTION section;
  HANDLE mutex = CreateMutex(nullptr, FALSE, nullptr);
  semaphore count;
  HANDLE event = CreateEvent(nullptr, FALSE, FALSE, nullptr);
  HMODULE library = nullptr;
};
void NTAPI ask_for_all(PTP_CALLBACK_INSTANCE instance, PVOID at) {
  auto* a = static_cast<all_kinds*>(at);
  EnterCriticalSection(&a->section);
  WaitForSingleObject(a->mutex, INFINITE);
  LeaveCriticalSectionWhenCallbackReturns(instance, &a->section);
  ReleaseMutexWhenCallbackReturns(instance, a->mutex);
  ReleaseSemaphoreWhenCallbackReturns(instance, a->count.handle, 3);
  SetEventWhenCallbackReturns(instance, a->event);
  FreeLibraryWhenCallbackReturns(instance, a->library);
}

TEST(winpool_instance, all_five_take_effect_and_a_waiter_has_seen_them) {
  rig r(1, true);
  all_kinds a;
  InitializeCriticalSection(&a.section);
  a.library = LoadLibraryA("libc.so.6");
  ASSERT_NE(a.library, nullptr);
  ASSERT_TRUE(r.submit(ask_for_all, &a));
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  EXPECT_TRUE(TryEnterCriticalSection(&a.section));
  EXPECT_EQ(WaitForSingleObject(a.mutex, 0), DWORD{WAIT_OBJECT_0});
  LONG before = 0;
  EXPECT_TRUE(ReleaseSemaphore(a.count.handle, 1, &before));
  EXPECT_EQ(before, 3);
  EXPECT_EQ(WaitForSingleObject(a.event, 0), DWORD{WAIT_OBJECT_0});
  EXPECT_EQ(WaitForSingleObject(a.event, 0), DWORD{WAIT_TIMEOUT});
  LeaveCriticalSection(&a.section);
  DeleteCriticalSection(&a.section);
  CloseHandle(a.mutex);
  CloseHandle(a.event);
}

void NTAPI ask_for_too_much(PTP_CALLBACK_INSTANCE instance, PVOID at) {
  auto* a = static_cast<all_kinds*>(at);
  ReleaseMutexWhenCallbackReturns(instance, a->mutex);  // not owned: fails
  SetEventWhenCallbackReturns(instance, a->event);
}

TEST(winpool_instance, a_step_that_fails_skips_the_rest) {
  rig r(1, true);
  all_kinds a;
  ASSERT_TRUE(r.submit(ask_for_too_much, &a));
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  EXPECT_EQ(WaitForSingleObject(a.event, 0), DWORD{WAIT_TIMEOUT});
  CloseHandle(a.mutex);
  CloseHandle(a.event);
}

struct foreign {
  std::atomic<PTP_CALLBACK_INSTANCE> instance{nullptr};
  gate let_go;
};
void NTAPI lend_instance(PTP_CALLBACK_INSTANCE instance, PVOID at) {
  static_cast<foreign*>(at)->instance = instance;
  static_cast<foreign*>(at)->let_go.pass();
}

TEST(winpool_instance, on_another_thread_they_do_nothing) {
  rig r(1, true);
  foreign f;
  semaphore s;
  ASSERT_TRUE(r.submit(lend_instance, &f));
  eventually([&] { return f.instance != nullptr; });
  SetLastError(0);
  EXPECT_FALSE(CallbackMayRunLong(f.instance));
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_PARAMETER});
  ReleaseSemaphoreWhenCallbackReturns(f.instance, s.handle, 1);
  f.let_go.open();
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  EXPECT_EQ(WaitForSingleObject(s.handle, 0), DWORD{WAIT_TIMEOUT});
}

struct long_call {
  desk d;
  std::atomic<int> may{-1};
};
void NTAPI ask_may_run_long(PTP_CALLBACK_INSTANCE instance, PVOID at) {
  auto* l = static_cast<long_call*>(at);
  l->may = CallbackMayRunLong(instance);
  l->d.visit();
}

TEST(winpool_instance, may_run_long_says_whether_another_can_take_over) {
  rig r(2);
  long_call first;
  ASSERT_TRUE(r.submit(ask_may_run_long, &first));
  eventually([&] { return first.d.now == 1; });
  EXPECT_EQ(first.may, TRUE);
  long_call second;
  ASSERT_TRUE(r.submit(ask_may_run_long, &second));
  eventually([&] { return second.d.now == 1; });  // it proceeds on the other thread
  EXPECT_EQ(second.may, FALSE);
  first.d.let_go.open();
  second.d.let_go.open();
  eventually([&] { return first.d.over == 1 && second.d.over == 1; });
}

// --- D: disassociate.

struct disassociated {
  gate in;
  semaphore returned;  // released after the wait under test has returned
  std::atomic<DWORD> seen{99};
  DWORD limit_ms = patience_ms;
  void visit(PTP_CALLBACK_INSTANCE instance) {
    DisassociateCurrentThreadFromCallback(instance);
    in.open();
    seen = WaitForSingleObject(returned.handle, limit_ms);
  }
};
void NTAPI leave_work(PTP_CALLBACK_INSTANCE i, PVOID at, PTP_WORK) { static_cast<disassociated*>(at)->visit(i); }
void NTAPI leave_simple(PTP_CALLBACK_INSTANCE i, PVOID at) { static_cast<disassociated*>(at)->visit(i); }

TEST(winpool_disassociate, D1_a_wait_does_not_wait_for_it) {
  rig r(1);
  disassociated d;
  PTP_WORK work = CreateThreadpoolWork(leave_work, &d, &r.environment);
  SubmitThreadpoolWork(work);
  d.in.pass();
  WaitForThreadpoolWorkCallbacks(work, FALSE);
  EXPECT_EQ(d.seen, 99u);
  ReleaseSemaphore(d.returned.handle, 1, nullptr);
  CloseThreadpoolWork(work);
  eventually([&] { return d.seen == WAIT_OBJECT_0; });
}

TEST(winpool_disassociate, D2_the_same_for_a_member) {
  rig r(1, true);
  disassociated d;
  PTP_WORK work = CreateThreadpoolWork(leave_work, &d, &r.environment);
  SubmitThreadpoolWork(work);
  d.in.pass();
  WaitForThreadpoolWorkCallbacks(work, FALSE);
  EXPECT_EQ(d.seen, 99u);
  ReleaseSemaphore(d.returned.handle, 1, nullptr);
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  EXPECT_EQ(d.seen, DWORD{WAIT_OBJECT_0});
}

TEST(winpool_disassociate, D3_closing_members_waits_for_it) {
  rig r(1, true);
  disassociated d;
  d.limit_ms = 50;
  PTP_WORK work = CreateThreadpoolWork(leave_work, &d, &r.environment);
  SubmitThreadpoolWork(work);
  d.in.pass();
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  ReleaseSemaphore(d.returned.handle, 1, nullptr);
  EXPECT_EQ(d.seen, DWORD{WAIT_TIMEOUT});
}

TEST(winpool_disassociate, D4_the_same_for_a_simple_callback) {
  rig r(1, true);
  disassociated d;
  d.limit_ms = 50;
  ASSERT_TRUE(r.submit(leave_simple, &d));
  d.in.pass();
  CloseThreadpoolCleanupGroupMembers(r.group, FALSE, nullptr);
  ReleaseSemaphore(d.returned.handle, 1, nullptr);
  EXPECT_EQ(d.seen, DWORD{WAIT_TIMEOUT});
}

// --- Waits inside callbacks.

// On Windows this waits for itself for ever; here the own call is not waited for.
void NTAPI tear_itself_down(PTP_CALLBACK_INSTANCE, PVOID at, PTP_TIMER self) {
  SetThreadpoolTimer(self, nullptr, 0, 0);
  WaitForThreadpoolTimerCallbacks(self, TRUE);
  CloseThreadpoolTimer(self);
  static_cast<gate*>(at)->open();
}

TEST(winpool_waits, a_callback_tears_its_own_timer_down) {
  gate over;
  PTP_TIMER timer = CreateThreadpoolTimer(tear_itself_down, &over, nullptr);
  FILETIME now = file_time(0);
  SetThreadpoolTimer(timer, &now, 3'600'000, 0);  // A second call beside the first would tear it down too.
  EXPECT_TRUE(over.pass());
}

std::atomic<int> cycles{0};
void count_cycle(const char*) { ++cycles; }

struct crossing {
  PTP_WORK other = nullptr;
  std::atomic<int>* in = nullptr;
};
void NTAPI wait_for_other(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WORK) {
  auto* c = static_cast<crossing*>(at);
  ++*c->in;
  eventually([&] { return *c->in == 2; });
  WaitForThreadpoolWorkCallbacks(c->other, FALSE);
}

TEST(winpool_waits, callbacks_that_wait_for_each_other_are_reported) {
  const auto before = detent::winpool::on_deadlock(count_cycle);
  rig r(2);
  std::atomic<int> in{0};
  crossing a;
  crossing b;
  a.in = b.in = &in;
  b.other = CreateThreadpoolWork(wait_for_other, &a, &r.environment);
  a.other = CreateThreadpoolWork(wait_for_other, &b, &r.environment);
  SubmitThreadpoolWork(a.other);
  SubmitThreadpoolWork(b.other);
  WaitForThreadpoolWorkCallbacks(a.other, FALSE);
  WaitForThreadpoolWorkCallbacks(b.other, FALSE);
  EXPECT_EQ(cycles, 1);
  CloseThreadpoolWork(a.other);
  CloseThreadpoolWork(b.other);
  EXPECT_EQ(detent::winpool::on_deadlock(before), &count_cycle);
}

// A member's callback closes its own group: its own call is not waited for.
struct own_group {
  rig* r = nullptr;
  gate over;
};
void NTAPI close_own_group(PTP_CALLBACK_INSTANCE, PVOID at) {
  auto* g = static_cast<own_group*>(at);
  CloseThreadpoolCleanupGroupMembers(g->r->group, TRUE, nullptr);
  g->over.open();
}

TEST(winpool_waits, a_callback_closes_its_own_group) {
  rig r(2, true);
  own_group g;
  g.r = &r;
  ASSERT_TRUE(r.submit(close_own_group, &g));
  EXPECT_TRUE(g.over.pass());
}

// --- The library stays loaded while an object exists.

TEST(winpool_library, stays_loaded_as_long_as_its_objects) {
  HMODULE library = LoadLibraryA(DETENT_WINPOOL_PLUGIN);
  ASSERT_NE(library, nullptr);
  auto callback = reinterpret_cast<PTP_WORK_CALLBACK>(reinterpret_cast<void*>(GetProcAddress(library, "plugin_work")));
  ASSERT_NE(callback, nullptr);
  desk d;
  TP_CALLBACK_ENVIRON environment;
  InitializeThreadpoolEnvironment(&environment);
  SetThreadpoolCallbackLibrary(&environment, library);
  std::atomic<int> calls{0};
  PTP_WORK work = CreateThreadpoolWork(callback, &calls, &environment);
  ASSERT_NE(work, nullptr);
  EXPECT_TRUE(FreeLibrary(library));  // the pool's reference is the last
  SubmitThreadpoolWork(work);
  WaitForThreadpoolWorkCallbacks(work, FALSE);
  EXPECT_EQ(calls, 1);
  const auto is_mapped = [] {
    std::string maps;
    FILE* file = std::fopen("/proc/self/maps", "r");
    char text[4096];
    while (std::size_t got = std::fread(text, 1, sizeof(text), file)) maps.append(text, got);
    std::fclose(file);
    return maps.find("winpool_plugin") != std::string::npos;
  };
  EXPECT_TRUE(is_mapped());
  CloseThreadpoolWork(work);
  eventually([&] { return !is_mapped(); });
}

}  // namespace
