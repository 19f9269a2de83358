// threadpoolapiset: the functions of <detent/threadpoolapiset.h> over the engine.
#include "engine.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <new>

using namespace detent::winpool;  // NOLINT: the C functions below are thin faces of it

void _TP_TIMER::due_locked(engine& e) {
  post_locked(*this);
  if (period_ms != 0) due.arm_next_locked(e, period_ms, window_ms);
}

void _TP_TIMER::unset_locked(engine& e) {
  due.cancel_locked(e);
  is_set = false;
}

void _TP_WAIT::due_locked(engine& e) {
  unset_locked(e);
  post_locked(*this);
}

void _TP_WAIT::unset_locked(engine& e) {
  timeout.cancel_locked(e);
  if (target == nullptr) return;
  wait_node.splice(wait_node.end(), target->waits, wait_place);
  unwatch_if_alone_locked(e, *target);
  std::exchange(target, nullptr)->drop();
}

namespace {

DWORD fault_of(const TP_CALLBACK_ENVIRON* environment) {
  if (environment == nullptr) return ERROR_SUCCESS;
  if (environment->Version != 1 && environment->Version != 3) return ERROR_INVALID_PARAMETER;
  if (environment->Version == 3 &&
      static_cast<unsigned>(environment->CallbackPriority) >= TP_CALLBACK_PRIORITY_INVALID) {
    return ERROR_INVALID_PARAMETER;
  }
  return ERROR_SUCCESS;
}

// Null, and the last error, when it cannot be.
template <class Object>
Object* create(callback what, PVOID context, const TP_CALLBACK_ENVIRON* environment, bool has_callback) {
  DWORD fault = has_callback ? fault_of(environment) : ERROR_INVALID_PARAMETER;
  if (fault == ERROR_SUCCESS) {
    try {
      engine& e = the_engine();
      std::unique_ptr<Object> made;
      if constexpr (std::is_constructible_v<Object, engine&, callback, PVOID, const TP_CALLBACK_ENVIRON*>) {
        made = std::make_unique<Object>(e, what, context, environment);
      } else {
        made = std::make_unique<Object>(what, context, environment);
      }
      fault = bind(e, *made, environment, what.simple != nullptr);
      if (fault == ERROR_SUCCESS) return made.release();
    } catch (const std::exception&) {
      fault = ERROR_NOT_ENOUGH_MEMORY;
    }
  }
  SetLastError(fault);
  return nullptr;
}

std::int64_t hundreds_of(const FILETIME& time) {
  return static_cast<std::int64_t>(std::uint64_t{time.dwHighDateTime} << 32 | time.dwLowDateTime);
}

BOOL set_timer(_TP_TIMER& t, const FILETIME* due, DWORD period_ms, DWORD window_ms, bool recall) {
  engine& e = the_engine();
  const guard held(e.lock);
  const bool was_set = t.is_set;
  t.unset_locked(e);
  if (recall) drop_posts_locked(t);
  const bool is_quiet = t.running == nullptr;
  if (due != nullptr && !t.shut) {
    t.is_set = true;
    t.period_ms = period_ms;
    t.window_ms = window_ms;
    const std::int64_t at = hundreds_of(*due);
    if (at != 0) {
      t.due.arm_locked(e, at, window_ms);
    } else {
      post_locked(t);
      if (period_ms != 0) t.due.arm_after_now_locked(e, period_ms, window_ms);
    }
  }
  return was_set && is_quiet ? TRUE : FALSE;
}

BOOL set_wait(_TP_WAIT& w, HANDLE object, const FILETIME* timeout, bool recall) {
  engine& e = the_engine();
  waitable* target = waitable::from(object);
  if (target != nullptr && target->what() == waitable::kind::mutex) stop_for("a pool cannot wait for a mutex");
  const guard held(e.lock);
  const bool was_set = w.target != nullptr || w.posted != w.taken;
  w.unset_locked(e);
  if (recall) drop_posts_locked(w);
  const bool is_quiet = w.running == nullptr;
  if (target != nullptr && !w.shut) {
    const std::int64_t at = timeout != nullptr ? hundreds_of(*timeout) : 0;
    if (timeout != nullptr && at == 0) {
      if (target->try_take()) ++w.signals;
      post_locked(w);
    } else {
      target->share();
      w.target = target;
      target->waits.splice(target->waits.end(), w.wait_node);
      watch_locked(e, *target);
      if (timeout != nullptr) w.timeout.arm_locked(e, at, 0);
    }
  }
  return was_set && is_quiet ? TRUE : FALSE;
}

// The functions about a call belong to its thread.
bool is_own(PTP_CALLBACK_INSTANCE instance) {
  if (instance != nullptr && instance == current_call()) return true;
  SetLastError(ERROR_INVALID_PARAMETER);
  return false;
}

}  // namespace

extern "C" {

PTP_POOL CreateThreadpool(PVOID) {
  auto* made = new (std::nothrow) _TP_POOL;
  if (made == nullptr) SetLastError(ERROR_NOT_ENOUGH_MEMORY);
  return made;
}

VOID SetThreadpoolThreadMaximum(PTP_POOL pool, DWORD most) {
  const guard held(the_engine().lock);
  pool->most = std::max(most, DWORD{1});
  pool->least = std::min(pool->least, pool->most);
  while (pool->pending > pool->idle && pool->threads < pool->most && add_thread_locked(*pool)) continue;
  pool->work.notify_all();
}

BOOL SetThreadpoolThreadMinimum(PTP_POOL pool, DWORD least) {
  const guard held(the_engine().lock);
  while (pool->threads < least) {
    if (!add_thread_locked(*pool)) {
      SetLastError(ERROR_NOT_ENOUGH_MEMORY);
      return FALSE;
    }
  }
  pool->least = least;
  pool->most = std::max(pool->most, least);
  pool->work.notify_all();  // Who waits without limit may be one too many now.
  return TRUE;
}

BOOL SetThreadpoolStackInformation(PTP_POOL pool, PTP_POOL_STACK_INFORMATION information) {
  const guard held(the_engine().lock);
  pool->stack = *information;
  return TRUE;
}

BOOL QueryThreadpoolStackInformation(PTP_POOL pool, PTP_POOL_STACK_INFORMATION information) {
  const guard held(the_engine().lock);
  *information = pool->stack;
  return TRUE;
}

VOID CloseThreadpool(PTP_POOL pool) {
  const guard held(the_engine().lock);
  drop_pool_share_locked(pool);
}

PTP_CLEANUP_GROUP CreateThreadpoolCleanupGroup() {
  auto* made = new (std::nothrow) _TP_CLEANUP_GROUP;
  if (made == nullptr) SetLastError(ERROR_NOT_ENOUGH_MEMORY);
  return made;
}

VOID CloseThreadpoolCleanupGroupMembers(PTP_CLEANUP_GROUP group, BOOL cancel, PVOID cleanup_context) {
  engine& e = the_engine();
  guard held(e.lock);
  // From here on they are nobody's members; what joins the group meanwhile is not meant.
  std::list<object*> closing;
  closing.splice(closing.end(), group->members);
  for (object* member : closing) {
    member->group = nullptr;
    member->shut = true;
    ++member->holders;
    member->unset_locked(e);
    if (cancel != FALSE) drop_posts_locked(*member);
  }
  while (!closing.empty()) {
    object& member = *closing.front();
    await_locked(held, member, true);
    // Whoever released it himself, or was called to the end, is not told that he was cancelled.
    if (!std::exchange(member.released, true) && cancel != FALSE && member.cancelled != nullptr) {
      held.unlock();
      member.cancelled(member.context, cleanup_context);
      held.lock();
    }
    member.member_node.splice(member.member_node.end(), closing, member.member_place);
    --member.holders;
    collect(held, member);
  }
}

VOID CloseThreadpoolCleanupGroup(PTP_CLEANUP_GROUP group) {
  {
    const guard held(the_engine().lock);
    if (!group->members.empty()) stop_for("a cleanup group was closed that still has members");
  }
  delete group;
}

VOID SetEventWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE event) {
  if (is_own(instance) && instance->event == nullptr) instance->event = event;
}

VOID ReleaseSemaphoreWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE semaphore, DWORD count) {
  if (!is_own(instance) || instance->semaphore != nullptr) return;
  instance->semaphore = semaphore;
  instance->semaphore_count = static_cast<LONG>(std::min<DWORD>(count, MAXLONG));
}

VOID ReleaseMutexWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE mutex) {
  if (is_own(instance) && instance->mutex == nullptr) instance->mutex = mutex;
}

VOID LeaveCriticalSectionWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, PCRITICAL_SECTION section) {
  if (is_own(instance) && instance->section == nullptr) instance->section = section;
}

VOID FreeLibraryWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HMODULE module) {
  if (is_own(instance) && instance->library == nullptr) instance->library = module;
}

BOOL CallbackMayRunLong(PTP_CALLBACK_INSTANCE instance) {
  if (!is_own(instance)) return FALSE;
  if (instance->may_run_long) return TRUE;
  instance->may_run_long = true;
  const guard held(the_engine().lock);
  if (has_thread_to_spare_locked(*instance->of->home)) return TRUE;
  SetLastError(ERROR_TOO_MANY_TCBS);
  return FALSE;
}

VOID DisassociateCurrentThreadFromCallback(PTP_CALLBACK_INSTANCE instance) {
  if (!is_own(instance)) return;
  const guard held(the_engine().lock);
  instance->associated = false;
  instance->of->ended.notify_all();
}

BOOL TrySubmitThreadpoolCallback(PTP_SIMPLE_CALLBACK simple, PVOID context, PTP_CALLBACK_ENVIRON environment) {
  return create<object>({.simple = simple}, context, environment, simple != nullptr) != nullptr ? TRUE : FALSE;
}

PTP_WORK CreateThreadpoolWork(PTP_WORK_CALLBACK work, PVOID context, PTP_CALLBACK_ENVIRON environment) {
  return create<_TP_WORK>({.work = work}, context, environment, work != nullptr);
}

VOID SubmitThreadpoolWork(PTP_WORK work) {
  const guard held(the_engine().lock);
  post_locked(*work);
}

VOID WaitForThreadpoolWorkCallbacks(PTP_WORK work, BOOL cancel) { await(*work, cancel != FALSE); }
VOID CloseThreadpoolWork(PTP_WORK work) { release(*work); }

PTP_TIMER CreateThreadpoolTimer(PTP_TIMER_CALLBACK timer, PVOID context, PTP_CALLBACK_ENVIRON environment) {
  return create<_TP_TIMER>({.timer = timer}, context, environment, timer != nullptr);
}

VOID SetThreadpoolTimer(PTP_TIMER timer, PFILETIME due, DWORD period_ms, DWORD window_ms) {
  set_timer(*timer, due, period_ms, window_ms, false);
}

BOOL SetThreadpoolTimerEx(PTP_TIMER timer, PFILETIME due, DWORD period_ms, DWORD window_ms) {
  return set_timer(*timer, due, period_ms, window_ms, true);
}

BOOL IsThreadpoolTimerSet(PTP_TIMER timer) {
  const guard held(the_engine().lock);
  return timer->is_set ? TRUE : FALSE;
}

VOID WaitForThreadpoolTimerCallbacks(PTP_TIMER timer, BOOL cancel) { await(*timer, cancel != FALSE); }
VOID CloseThreadpoolTimer(PTP_TIMER timer) { release(*timer); }

PTP_WAIT CreateThreadpoolWait(PTP_WAIT_CALLBACK wait, PVOID context, PTP_CALLBACK_ENVIRON environment) {
  return create<_TP_WAIT>({.wait = wait}, context, environment, wait != nullptr);
}

VOID SetThreadpoolWait(PTP_WAIT wait, HANDLE object, PFILETIME timeout) { set_wait(*wait, object, timeout, false); }

BOOL SetThreadpoolWaitEx(PTP_WAIT wait, HANDLE object, PFILETIME timeout, PVOID) {
  return set_wait(*wait, object, timeout, true);
}

VOID WaitForThreadpoolWaitCallbacks(PTP_WAIT wait, BOOL cancel) { await(*wait, cancel != FALSE); }
VOID CloseThreadpoolWait(PTP_WAIT wait) { release(*wait); }
}
