// Waits for events and semaphores, on the real clock: nothing here is timed more exactly than "after" and "not yet".
#include "conformance/winpool/pool_rig.hpp"

#include <detent/winpool.hpp>

#include <poll.h>
#include <vector>

using namespace winpool_test;

namespace {

struct seen {
  std::atomic<int> signalled{0};
  std::atomic<int> timed_out{0};
  int all() const { return signalled + timed_out; }
};
void NTAPI note(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WAIT, TP_WAIT_RESULT result) {
  auto* s = static_cast<seen*>(at);
  ++(result == WAIT_OBJECT_0 ? s->signalled : s->timed_out);
}

struct one_wait {
  one_wait(rig& r, PTP_WAIT_CALLBACK callback = note) : wait(CreateThreadpoolWait(callback, &s, &r.environment)) {}
  one_wait(const one_wait&) = delete;
  one_wait& operator=(const one_wait&) = delete;
  ~one_wait() {
    SetThreadpoolWait(wait, nullptr, nullptr);
    WaitForThreadpoolWaitCallbacks(wait, TRUE);
    CloseThreadpoolWait(wait);
  }
  seen s;
  PTP_WAIT wait;
};

struct object {
  explicit object(HANDLE h) : handle(h) {}
  object(const object&) = delete;
  object& operator=(const object&) = delete;
  ~object() { CloseHandle(handle); }
  HANDLE handle;
};

HANDLE auto_event(BOOL initial = FALSE) { return CreateEvent(nullptr, FALSE, initial, nullptr); }
HANDLE manual_event(BOOL initial = FALSE) { return CreateEvent(nullptr, TRUE, initial, nullptr); }
HANDLE semaphore(LONG initial) { return CreateSemaphore(nullptr, initial, 100'000, nullptr); }

TEST(winpool_wait, infinite_until_signalled) {
  rig r(2);
  object event(auto_event());
  one_wait w(r);
  SetThreadpoolWait(w.wait, event.handle, nullptr);
  WaitForThreadpoolWaitCallbacks(w.wait, FALSE);  // nothing is outstanding
  EXPECT_TRUE(never([&] { return w.s.all() != 0; }));
  SetEvent(event.handle);
  eventually([&] { return w.s.signalled == 1; });
  // Once: the next signal is not for it.
  SetEvent(event.handle);
  EXPECT_TRUE(never([&] { return w.s.all() != 1; }));
  EXPECT_EQ(WaitForSingleObject(event.handle, 0), DWORD{WAIT_OBJECT_0});
  // Set again, it waits again.
  SetThreadpoolWait(w.wait, event.handle, nullptr);
  SetEvent(event.handle);
  eventually([&] { return w.s.signalled == 2; });
}

TEST(winpool_wait, already_signalled) {
  rig r(2);
  object event(auto_event(TRUE));
  one_wait w(r);
  SetThreadpoolWait(w.wait, event.handle, nullptr);
  eventually([&] { return w.s.signalled == 1; });
  EXPECT_EQ(WaitForSingleObject(event.handle, 0), DWORD{WAIT_TIMEOUT});
}

TEST(winpool_wait, zero_timeout_looks_once) {
  rig r(2);
  object event(auto_event());
  one_wait w(r);
  FILETIME zero = file_time(0);
  SetThreadpoolWait(w.wait, event.handle, &zero);
  WaitForThreadpoolWaitCallbacks(w.wait, FALSE);
  EXPECT_EQ(w.s.timed_out, 1);
  SetEvent(event.handle);
  SetThreadpoolWait(w.wait, event.handle, &zero);
  WaitForThreadpoolWaitCallbacks(w.wait, FALSE);
  EXPECT_EQ(w.s.signalled, 1);
}

TEST(winpool_wait, relative_and_absolute_timeouts) {
  rig r(2);
  object event(auto_event());
  one_wait w(r);
  FILETIME soon = in_ms(10);
  SetThreadpoolWait(w.wait, event.handle, &soon);
  eventually([&] { return w.s.timed_out == 1; });
  soon = wall_in_ms(10);
  SetThreadpoolWait(w.wait, event.handle, &soon);
  eventually([&] { return w.s.timed_out == 2; });
  FILETIME late = in_ms(3'600'000);
  SetThreadpoolWait(w.wait, event.handle, &late);
  SetEvent(event.handle);
  eventually([&] { return w.s.signalled == 1; });
  EXPECT_EQ(w.s.timed_out, 2);
}

TEST(winpool_wait, unset_leaves_the_signal) {
  rig r(2);
  object event(auto_event());
  one_wait w(r);
  SetThreadpoolWait(w.wait, event.handle, nullptr);
  SetThreadpoolWait(w.wait, nullptr, nullptr);
  SetEvent(event.handle);
  EXPECT_TRUE(never([&] { return w.s.all() != 0; }));
  EXPECT_EQ(WaitForSingleObject(event.handle, 0), DWORD{WAIT_OBJECT_0});
}

TEST(winpool_wait, one_release_wakes_one_of_two_and_a_manual_event_both) {
  rig r(2);
  object count(semaphore(0));
  one_wait a(r);
  one_wait b(r);
  SetThreadpoolWait(a.wait, count.handle, nullptr);
  SetThreadpoolWait(b.wait, count.handle, nullptr);
  ReleaseSemaphore(count.handle, 1, nullptr);
  eventually([&] { return a.s.signalled + b.s.signalled == 1; });
  EXPECT_TRUE(never([&] { return a.s.signalled + b.s.signalled != 1; }));
  ReleaseSemaphore(count.handle, 1, nullptr);
  eventually([&] { return a.s.signalled == 1 && b.s.signalled == 1; });

  object event(manual_event());
  SetThreadpoolWait(a.wait, event.handle, nullptr);
  SetThreadpoolWait(b.wait, event.handle, nullptr);
  SetEvent(event.handle);
  eventually([&] { return a.s.signalled == 2 && b.s.signalled == 2; });
  EXPECT_EQ(WaitForSingleObject(event.handle, 0), DWORD{WAIT_OBJECT_0});
}

TEST(winpool_wait, Ex_takes_back_what_is_queued) {
  rig r(1);
  object event(auto_event());
  one_wait w(r);
  EXPECT_FALSE(SetThreadpoolWaitEx(w.wait, nullptr, nullptr, nullptr));
  SetThreadpoolWait(w.wait, event.handle, nullptr);
  EXPECT_TRUE(SetThreadpoolWaitEx(w.wait, nullptr, nullptr, nullptr));
  desk blocker;
  block_one_thread(r, blocker);
  FILETIME zero = file_time(0);
  SetThreadpoolWait(w.wait, event.handle, &zero);  // queued behind the blocker
  EXPECT_TRUE(SetThreadpoolWaitEx(w.wait, nullptr, nullptr, nullptr));
  blocker.let_go.open();
  WaitForThreadpoolWaitCallbacks(w.wait, FALSE);
  EXPECT_EQ(w.s.all(), 0);
}

struct many {
  static constexpr int number = 512;
  std::atomic<int> signalled{0};
  std::atomic<int> timed_out{0};
};
void NTAPI note_many(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WAIT, TP_WAIT_RESULT result) {
  auto* m = static_cast<many*>(at);
  ++(result == WAIT_OBJECT_0 ? m->signalled : m->timed_out);
}

struct field {
  explicit field(rig& r) {
    for (int i = 0; i < many::number; ++i) {
      objects.push_back(semaphore(0));
      waits.push_back(CreateThreadpoolWait(note_many, &m, &r.environment));
    }
  }
  field(const field&) = delete;
  field& operator=(const field&) = delete;
  ~field() {
    for (PTP_WAIT wait : waits) {
      WaitForThreadpoolWaitCallbacks(wait, FALSE);
      CloseThreadpoolWait(wait);
    }
    for (HANDLE handle : objects) CloseHandle(handle);
  }
  void set_all(FILETIME* timeout) {
    for (std::size_t i = 0; i < waits.size(); ++i) SetThreadpoolWait(waits[i], objects[i], timeout);
  }
  many m;
  std::vector<HANDLE> objects;
  std::vector<PTP_WAIT> waits;
};

TEST(winpool_wait, five_hundred_and_twelve_forward_reverse_and_timing_out) {
  rig r(4);
  field f(r);
  f.set_all(nullptr);
  for (HANDLE handle : f.objects) ReleaseSemaphore(handle, 1, nullptr);
  eventually([&] { return f.m.signalled == many::number; });
  f.set_all(nullptr);
  for (auto at = f.objects.rbegin(); at != f.objects.rend(); ++at) ReleaseSemaphore(*at, 1, nullptr);
  eventually([&] { return f.m.signalled == 2 * many::number; });
  FILETIME soon = in_ms(20);
  f.set_all(&soon);
  eventually([&] { return f.m.timed_out == many::number; });
  EXPECT_EQ(f.m.signalled, 2 * many::number);
}

TEST(winpool_wait, destroyed_while_waiting) {
  rig r(4);
  many m;
  for (int round = 0; round < 20; ++round) {
    object count(semaphore(0));
    std::vector<PTP_WAIT> waits;
    for (int i = 0; i < 20; ++i) {
      waits.push_back(CreateThreadpoolWait(note_many, &m, &r.environment));
      SetThreadpoolWait(waits.back(), count.handle, nullptr);
    }
    support::background releaser([&] { ReleaseSemaphore(count.handle, 10, nullptr); });
    for (PTP_WAIT wait : waits) {
      SetThreadpoolWait(wait, nullptr, nullptr);
      WaitForThreadpoolWaitCallbacks(wait, TRUE);
      CloseThreadpoolWait(wait);
    }
  }
}

// The handle may be closed while the pool waits: the wait has a share of the object.
TEST(winpool_wait, the_object_is_closed_while_it_is_waited_for) {
  rig r(2);
  one_wait w(r);
  HANDLE event = auto_event();
  SetThreadpoolWait(w.wait, event, nullptr);
  const int fd = detent::winpool::descriptor(event);
  CloseHandle(event);
  pollfd one{fd, POLLIN, 0};
  EXPECT_EQ(::poll(&one, 1, 0), 0);  // still open, not readable
  SetThreadpoolWait(w.wait, nullptr, nullptr);
}

TEST(winpool_wait, a_mutex_is_refused_with_a_sentence) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        PTP_WAIT wait = CreateThreadpoolWait(note, nullptr, nullptr);
        SetThreadpoolWait(wait, CreateMutex(nullptr, FALSE, nullptr), nullptr);
      },
      "cannot wait for a mutex");
}

// --- The objects themselves.

TEST(winpool_objects, descriptor_is_readable_while_signalled) {
  object event(manual_event());
  pollfd one{detent::winpool::descriptor(event.handle), POLLIN, 0};
  EXPECT_EQ(::poll(&one, 1, 0), 0);
  SetEvent(event.handle);
  SetEvent(event.handle);
  EXPECT_EQ(::poll(&one, 1, 0), 1);
  ResetEvent(event.handle);
  EXPECT_EQ(::poll(&one, 1, 0), 0);
  EXPECT_EQ(detent::winpool::descriptor(nullptr), -1);
}

TEST(winpool_objects, semaphore_counts_and_limits) {
  object count(CreateSemaphore(nullptr, 1, 3, nullptr));
  LONG before = -1;
  EXPECT_TRUE(ReleaseSemaphore(count.handle, 2, &before));
  EXPECT_EQ(before, 1);
  EXPECT_FALSE(ReleaseSemaphore(count.handle, 1, &before));
  EXPECT_EQ(GetLastError(), DWORD{ERROR_TOO_MANY_POSTS});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(WaitForSingleObject(count.handle, 0), DWORD{WAIT_OBJECT_0});
  EXPECT_EQ(WaitForSingleObject(count.handle, 0), DWORD{WAIT_TIMEOUT});
  EXPECT_EQ(CreateSemaphore(nullptr, 4, 3, nullptr), nullptr);
  EXPECT_FALSE(SetEvent(count.handle));
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_HANDLE});
}

TEST(winpool_objects, mutex_is_recursive_and_owned) {
  object mutex(CreateMutex(nullptr, TRUE, nullptr));
  EXPECT_EQ(WaitForSingleObject(mutex.handle, 0), DWORD{WAIT_OBJECT_0});
  support::background other([&] {
    EXPECT_EQ(WaitForSingleObject(mutex.handle, 0), DWORD{WAIT_TIMEOUT});
    EXPECT_FALSE(ReleaseMutex(mutex.handle));
    EXPECT_EQ(GetLastError(), DWORD{ERROR_NOT_OWNER});
  });
  other.join();
  EXPECT_TRUE(ReleaseMutex(mutex.handle));
  EXPECT_TRUE(ReleaseMutex(mutex.handle));
  EXPECT_FALSE(ReleaseMutex(mutex.handle));
}

TEST(winpool_objects, names_and_nothing_are_refused) {
  EXPECT_EQ(CreateEventA(nullptr, FALSE, FALSE, "shared"), nullptr);
  EXPECT_EQ(GetLastError(), DWORD{ERROR_NOT_SUPPORTED});
  EXPECT_EQ(WaitForSingleObject(nullptr, 0), DWORD{WAIT_FAILED});
  EXPECT_FALSE(CloseHandle(INVALID_HANDLE_VALUE));
}

}  // namespace
