// threadpoolapiset.h: the Windows thread pool on this system, for code that is being ported. Names, types and order of
// parameters are Microsoft's, so that one source compiles against either. For C and C++.
//
//   Verbs                      block   threads   inside a callback              errors
//   Create..., Try...          never   any       legal                          NULL or FALSE, and GetLastError
//   Set..., Submit..., Is...   never   any       legal, on its own object too   none
//   Close... (not of members)  never   any       legal, on its own object too   none; a callback may still run
//   WaitFor...Callbacks        yes     any       legal: the own call is not     a cycle of waits is reported
//   ...CleanupGroupMembers     yes     any       waited for                     (<detent/winpool.hpp>)
//   of an instance             never   the call's own                           ERROR_INVALID_PARAMETER elsewhere
//
//   Visibility: what happened before a submit or a set is visible in the callback; what the callback and its
//   ...WhenCallbackReturns did is visible after a wait for it. A handle that was closed must not be used again.
//
// Differences from Windows are listed in docs/porting/windows.md. Functions for overlapped input and output are absent.
#ifndef DETENT_THREADPOOLAPISET_H
#define DETENT_THREADPOOLAPISET_H

#include "win/synchapi.h"
#include "win/windef.h"

DETENT_WIN_BEGIN

// --- Types, as winnt.h has them. ------------------------------------------------------------------------------------

typedef DWORD TP_VERSION, *PTP_VERSION;
typedef struct _TP_CALLBACK_INSTANCE TP_CALLBACK_INSTANCE, *PTP_CALLBACK_INSTANCE;
typedef struct _TP_POOL TP_POOL, *PTP_POOL;
typedef struct _TP_CLEANUP_GROUP TP_CLEANUP_GROUP, *PTP_CLEANUP_GROUP;
typedef struct _TP_WORK TP_WORK, *PTP_WORK;
typedef struct _TP_TIMER TP_TIMER, *PTP_TIMER;
typedef struct _TP_WAIT TP_WAIT, *PTP_WAIT;
typedef DWORD TP_WAIT_RESULT;
struct _ACTIVATION_CONTEXT;

typedef VOID(NTAPI* PTP_SIMPLE_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context);
typedef VOID(NTAPI* PTP_WORK_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WORK work);
typedef VOID(NTAPI* PTP_TIMER_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer);
typedef VOID(NTAPI* PTP_WAIT_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WAIT wait,
                                       TP_WAIT_RESULT result);
typedef VOID(NTAPI* PTP_CLEANUP_GROUP_CANCEL_CALLBACK)(PVOID object_context, PVOID cleanup_context);

typedef enum _TP_CALLBACK_PRIORITY {
  TP_CALLBACK_PRIORITY_HIGH,
  TP_CALLBACK_PRIORITY_NORMAL,
  TP_CALLBACK_PRIORITY_LOW,
  TP_CALLBACK_PRIORITY_INVALID,
  TP_CALLBACK_PRIORITY_COUNT = TP_CALLBACK_PRIORITY_INVALID
} TP_CALLBACK_PRIORITY;

typedef struct _TP_POOL_STACK_INFORMATION {
  SIZE_T StackReserve;
  SIZE_T StackCommit;
} TP_POOL_STACK_INFORMATION, *PTP_POOL_STACK_INFORMATION;

typedef struct _TP_CALLBACK_ENVIRON_V3 {
  TP_VERSION Version;
  PTP_POOL Pool;
  PTP_CLEANUP_GROUP CleanupGroup;
  PTP_CLEANUP_GROUP_CANCEL_CALLBACK CleanupGroupCancelCallback;
  PVOID RaceDll;
  struct _ACTIVATION_CONTEXT* ActivationContext;
  PTP_SIMPLE_CALLBACK FinalizationCallback;
  union {
    DWORD Flags;
    struct {
      DWORD LongFunction : 1;
      DWORD Persistent : 1;
      DWORD Private : 30;
    } s;
  } u;
  TP_CALLBACK_PRIORITY CallbackPriority;
  DWORD Size;
} TP_CALLBACK_ENVIRON_V3, TP_CALLBACK_ENVIRON, *PTP_CALLBACK_ENVIRON;

// --- Callback environments: read when an object is created, and never again. ----------------------------------------

FORCEINLINE VOID TpInitializeCallbackEnviron(PTP_CALLBACK_ENVIRON environment) {
  environment->Version = 3;
  environment->Pool = NULL;
  environment->CleanupGroup = NULL;
  environment->CleanupGroupCancelCallback = NULL;
  environment->RaceDll = NULL;
  environment->ActivationContext = NULL;
  environment->FinalizationCallback = NULL;
  environment->u.Flags = 0;
  environment->CallbackPriority = TP_CALLBACK_PRIORITY_NORMAL;
  environment->Size = sizeof(TP_CALLBACK_ENVIRON);
}
FORCEINLINE VOID TpSetCallbackThreadpool(PTP_CALLBACK_ENVIRON environment, PTP_POOL pool) { environment->Pool = pool; }
FORCEINLINE VOID TpSetCallbackCleanupGroup(PTP_CALLBACK_ENVIRON environment, PTP_CLEANUP_GROUP group,
                                           PTP_CLEANUP_GROUP_CANCEL_CALLBACK cancelled) {
  environment->CleanupGroup = group;
  environment->CleanupGroupCancelCallback = cancelled;
}
FORCEINLINE VOID TpSetCallbackLongFunction(PTP_CALLBACK_ENVIRON environment) { environment->u.s.LongFunction = 1; }
FORCEINLINE VOID TpSetCallbackPersistent(PTP_CALLBACK_ENVIRON environment) { environment->u.s.Persistent = 1; }
FORCEINLINE VOID TpSetCallbackRaceWithDll(PTP_CALLBACK_ENVIRON environment, PVOID module) {
  environment->RaceDll = module;
}
// Called on the callback's thread, after the callback, before what ...WhenCallbackReturns asked for.
FORCEINLINE VOID TpSetCallbackFinalizationCallback(PTP_CALLBACK_ENVIRON environment, PTP_SIMPLE_CALLBACK finalize) {
  environment->FinalizationCallback = finalize;
}
FORCEINLINE VOID TpSetCallbackPriority(PTP_CALLBACK_ENVIRON environment, TP_CALLBACK_PRIORITY priority) {
  environment->CallbackPriority = priority;
}
FORCEINLINE VOID TpDestroyCallbackEnviron(PTP_CALLBACK_ENVIRON environment) { UNREFERENCED_PARAMETER(environment); }

FORCEINLINE VOID InitializeThreadpoolEnvironment(PTP_CALLBACK_ENVIRON environment) {
  TpInitializeCallbackEnviron(environment);
}
FORCEINLINE VOID SetThreadpoolCallbackPool(PTP_CALLBACK_ENVIRON environment, PTP_POOL pool) {
  TpSetCallbackThreadpool(environment, pool);
}
FORCEINLINE VOID SetThreadpoolCallbackCleanupGroup(PTP_CALLBACK_ENVIRON environment, PTP_CLEANUP_GROUP group,
                                                   PTP_CLEANUP_GROUP_CANCEL_CALLBACK cancelled) {
  TpSetCallbackCleanupGroup(environment, group, cancelled);
}
FORCEINLINE VOID SetThreadpoolCallbackRunsLong(PTP_CALLBACK_ENVIRON environment) {
  TpSetCallbackLongFunction(environment);
}
FORCEINLINE VOID SetThreadpoolCallbackPersistent(PTP_CALLBACK_ENVIRON environment) {
  TpSetCallbackPersistent(environment);
}
// The library stays loaded as long as an object created with this environment exists.
FORCEINLINE VOID SetThreadpoolCallbackLibrary(PTP_CALLBACK_ENVIRON environment, PVOID module) {
  TpSetCallbackRaceWithDll(environment, module);
}
FORCEINLINE VOID SetThreadpoolCallbackPriority(PTP_CALLBACK_ENVIRON environment, TP_CALLBACK_PRIORITY priority) {
  TpSetCallbackPriority(environment, priority);
}
FORCEINLINE VOID DestroyThreadpoolEnvironment(PTP_CALLBACK_ENVIRON environment) {
  TpDestroyCallbackEnviron(environment);
}

// --- Pools. ---------------------------------------------------------------------------------------------------------

// At most 500 threads until told otherwise. The pool goes when it is closed and the last object bound to it is gone.
PTP_POOL WINAPI CreateThreadpool(PVOID reserved);
VOID WINAPI SetThreadpoolThreadMaximum(PTP_POOL pool, DWORD most);
BOOL WINAPI SetThreadpoolThreadMinimum(PTP_POOL pool, DWORD least);
// Not validated: what the system cannot do it rounds, or leaves to its default. For threads made from now on.
BOOL WINAPI SetThreadpoolStackInformation(PTP_POOL pool, PTP_POOL_STACK_INFORMATION information);
BOOL WINAPI QueryThreadpoolStackInformation(PTP_POOL pool, PTP_POOL_STACK_INFORMATION information);
VOID WINAPI CloseThreadpool(PTP_POOL pool);

// --- Cleanup groups. ------------------------------------------------------------------------------------------------

PTP_CLEANUP_GROUP WINAPI CreateThreadpoolCleanupGroup(VOID);
// Releases every member, after its callbacks have ended; with `cancel` what is queued is dropped, and the cancel
// callback is called on this thread, once for each member that nobody had released.
VOID WINAPI CloseThreadpoolCleanupGroupMembers(PTP_CLEANUP_GROUP group, BOOL cancel, PVOID cleanup_context);
// The group has no members, or the program is stopped with a sentence.
VOID WINAPI CloseThreadpoolCleanupGroup(PTP_CLEANUP_GROUP group);

// --- From inside a callback, about its own call. --------------------------------------------------------------------

// Of each kind the first registration counts. They take effect in the order: critical section, mutex, semaphore, event,
// library; one that fails skips those after it.
VOID WINAPI SetEventWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE event);
VOID WINAPI ReleaseSemaphoreWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE semaphore, DWORD count);
VOID WINAPI ReleaseMutexWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE mutex);
VOID WINAPI LeaveCriticalSectionWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, PCRITICAL_SECTION section);
VOID WINAPI FreeLibraryWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HMODULE module);
// Whether another thread of the pool is free, or could be made.
BOOL WINAPI CallbackMayRunLong(PTP_CALLBACK_INSTANCE instance);
// From here on this call does not count for WaitFor...Callbacks. It still counts for its cleanup group.
VOID WINAPI DisassociateCurrentThreadFromCallback(PTP_CALLBACK_INSTANCE instance);

// --- Callbacks without an object, and work. -------------------------------------------------------------------------

BOOL WINAPI TrySubmitThreadpoolCallback(PTP_SIMPLE_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment);

PTP_WORK WINAPI CreateThreadpoolWork(PTP_WORK_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment);
// Posts are counted: n of them are n calls, which may overlap.
VOID WINAPI SubmitThreadpoolWork(PTP_WORK work);
VOID WINAPI WaitForThreadpoolWorkCallbacks(PTP_WORK work, BOOL cancel);
VOID WINAPI CloseThreadpoolWork(PTP_WORK work);

// --- Timers. --------------------------------------------------------------------------------------------------------

PTP_TIMER WINAPI CreateThreadpoolTimer(PTP_TIMER_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment);
// `due`: NULL no more; 0 now; above 0 an instant of the wall clock in 100 ns since 1601, which time asleep brings
// nearer and setting the clock moves; below 0 a delay in 100 ns, in which time asleep does not count. `period_ms` 0 is
// once. `window_ms` is how much later a call may be queued to share a wake-up. What was queued before still runs.
VOID WINAPI SetThreadpoolTimer(PTP_TIMER timer, PFILETIME due, DWORD period_ms, DWORD window_ms);
// The same, and takes back what is queued. TRUE: it was set, and no callback of the old setting runs or will. FALSE: it
// was not set, or one of its callbacks is running.
BOOL WINAPI SetThreadpoolTimerEx(PTP_TIMER timer, PFILETIME due, DWORD period_ms, DWORD window_ms);
// Whether the last setting had a due time; true also after a one-shot has fired.
BOOL WINAPI IsThreadpoolTimerSet(PTP_TIMER timer);
// Waits for callbacks that are queued or running now, not for the due time; with `cancel` drops the queued ones.
VOID WINAPI WaitForThreadpoolTimerCallbacks(PTP_TIMER timer, BOOL cancel);
// Nothing is due any more; what is queued or running ends first, and then the timer is freed.
VOID WINAPI CloseThreadpoolTimer(PTP_TIMER timer);

// --- Waits for an event or a semaphore. -----------------------------------------------------------------------------

PTP_WAIT WINAPI CreateThreadpoolWait(PTP_WAIT_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment);
// One call, with WAIT_OBJECT_0 or WAIT_TIMEOUT. `object` NULL: no more. `timeout` as a timer's due time; NULL: never. A
// mutex cannot be waited for: its owner would be a thread of the pool; the program is stopped with a sentence.
VOID WINAPI SetThreadpoolWait(PTP_WAIT wait, HANDLE object, PFILETIME timeout);
// The same, and takes back what is queued; answers as SetThreadpoolTimerEx does.
BOOL WINAPI SetThreadpoolWaitEx(PTP_WAIT wait, HANDLE object, PFILETIME timeout, PVOID reserved);
VOID WINAPI WaitForThreadpoolWaitCallbacks(PTP_WAIT wait, BOOL cancel);
VOID WINAPI CloseThreadpoolWait(PTP_WAIT wait);

DETENT_WIN_END

#endif
