// pool_rig: a pool of its own with an environment and a group, and what the scenarios of the Windows thread pool say
// often.
#pragma once

#include "support/gate.hpp"

#include <detent/win/windows.h>

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace winpool_test {

using support::eventually;
using support::gate;
using support::never;

inline FILETIME file_time(std::int64_t hundreds) {
  return {static_cast<DWORD>(hundreds), static_cast<DWORD>(static_cast<std::uint64_t>(hundreds) >> 32)};
}
inline FILETIME in_ms(std::int64_t ms) { return file_time(-ms * 10'000); }
inline FILETIME wall_in_ms(std::int64_t ms) {
  FILETIME now;
  GetSystemTimeAsFileTime(&now);
  return file_time(static_cast<std::int64_t>(std::uint64_t{now.dwHighDateTime} << 32 | now.dwLowDateTime) +
                   ms * 10'000);
}

// A pool with an environment that names it and, if asked for, a group.
struct rig {
  explicit rig(DWORD threads, bool grouped = false, PTP_CLEANUP_GROUP_CANCEL_CALLBACK cancelled = nullptr)
      : pool(CreateThreadpool(nullptr)) {
    SetThreadpoolThreadMaximum(pool, threads);
    InitializeThreadpoolEnvironment(&environment);
    SetThreadpoolCallbackPool(&environment, pool);
    if (grouped) {
      group = CreateThreadpoolCleanupGroup();
      SetThreadpoolCallbackCleanupGroup(&environment, group, cancelled);
    }
  }
  rig(const rig&) = delete;
  rig& operator=(const rig&) = delete;
  ~rig() {
    if (group != nullptr) {
      CloseThreadpoolCleanupGroupMembers(group, FALSE, nullptr);
      CloseThreadpoolCleanupGroup(group);
    }
    DestroyThreadpoolEnvironment(&environment);
    CloseThreadpool(pool);
  }
  // The environment without the group.
  TP_CALLBACK_ENVIRON ungrouped() const {
    TP_CALLBACK_ENVIRON plain = environment;
    plain.CleanupGroup = nullptr;
    plain.CleanupGroupCancelCallback = nullptr;
    return plain;
  }
  bool submit(PTP_SIMPLE_CALLBACK callback, void* context) {
    return TrySubmitThreadpoolCallback(callback, context, &environment) != FALSE;
  }

  PTP_POOL pool;
  PTP_CLEANUP_GROUP group = nullptr;
  TP_CALLBACK_ENVIRON environment;
};

// What most callbacks here do: count, say that they are in, and stay until they are let go.
struct desk {
  desk() = default;
  desk(const desk&) = delete;
  desk& operator=(const desk&) = delete;
  // Nobody leaves after the desk is gone.
  ~desk() {
    let_go.open();
    eventually([this] { return over == calls; });
  }

  std::atomic<int> calls{0};
  std::atomic<int> now{0};
  std::atomic<int> over{0};
  gate let_go;

  void visit() {
    ++calls;
    ++now;
    let_go.pass();
    --now;
    ++over;
  }
};

inline void NTAPI visit_simple(PTP_CALLBACK_INSTANCE, PVOID at) { static_cast<desk*>(at)->visit(); }
inline void NTAPI visit_work(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WORK) { static_cast<desk*>(at)->visit(); }
inline void NTAPI visit_timer(PTP_CALLBACK_INSTANCE, PVOID at, PTP_TIMER) { static_cast<desk*>(at)->visit(); }

// Occupies a thread of the pool until let go.
inline void block_one_thread(rig& r, desk& at) {
  ASSERT_TRUE(r.submit(visit_simple, &at));
  eventually([&] { return at.now == 1; });
}

}  // namespace winpool_test
