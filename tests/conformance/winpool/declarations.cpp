// The declarations of the thread pool as static assertions: this file compiles against Microsoft's headers and against
// ours, so both declare the same names with the same types.
#include <cstddef>
#include <type_traits>
#include <windows.h>

#define DECLARED(NAME, RESULT, ...) \
  static_assert(std::is_same<decltype(&NAME), RESULT(WINAPI*)(__VA_ARGS__)>::value, #NAME)

DECLARED(CreateThreadpool, PTP_POOL, PVOID);
DECLARED(SetThreadpoolThreadMaximum, VOID, PTP_POOL, DWORD);
DECLARED(SetThreadpoolThreadMinimum, BOOL, PTP_POOL, DWORD);
DECLARED(SetThreadpoolStackInformation, BOOL, PTP_POOL, PTP_POOL_STACK_INFORMATION);
DECLARED(QueryThreadpoolStackInformation, BOOL, PTP_POOL, PTP_POOL_STACK_INFORMATION);
DECLARED(CloseThreadpool, VOID, PTP_POOL);
DECLARED(CreateThreadpoolCleanupGroup, PTP_CLEANUP_GROUP);
DECLARED(CloseThreadpoolCleanupGroupMembers, VOID, PTP_CLEANUP_GROUP, BOOL, PVOID);
DECLARED(CloseThreadpoolCleanupGroup, VOID, PTP_CLEANUP_GROUP);
DECLARED(SetEventWhenCallbackReturns, VOID, PTP_CALLBACK_INSTANCE, HANDLE);
DECLARED(ReleaseSemaphoreWhenCallbackReturns, VOID, PTP_CALLBACK_INSTANCE, HANDLE, DWORD);
DECLARED(ReleaseMutexWhenCallbackReturns, VOID, PTP_CALLBACK_INSTANCE, HANDLE);
DECLARED(LeaveCriticalSectionWhenCallbackReturns, VOID, PTP_CALLBACK_INSTANCE, PCRITICAL_SECTION);
DECLARED(FreeLibraryWhenCallbackReturns, VOID, PTP_CALLBACK_INSTANCE, HMODULE);
DECLARED(CallbackMayRunLong, BOOL, PTP_CALLBACK_INSTANCE);
DECLARED(DisassociateCurrentThreadFromCallback, VOID, PTP_CALLBACK_INSTANCE);
DECLARED(TrySubmitThreadpoolCallback, BOOL, PTP_SIMPLE_CALLBACK, PVOID, PTP_CALLBACK_ENVIRON);
DECLARED(CreateThreadpoolWork, PTP_WORK, PTP_WORK_CALLBACK, PVOID, PTP_CALLBACK_ENVIRON);
DECLARED(SubmitThreadpoolWork, VOID, PTP_WORK);
DECLARED(WaitForThreadpoolWorkCallbacks, VOID, PTP_WORK, BOOL);
DECLARED(CloseThreadpoolWork, VOID, PTP_WORK);
DECLARED(CreateThreadpoolTimer, PTP_TIMER, PTP_TIMER_CALLBACK, PVOID, PTP_CALLBACK_ENVIRON);
DECLARED(SetThreadpoolTimer, VOID, PTP_TIMER, PFILETIME, DWORD, DWORD);
DECLARED(SetThreadpoolTimerEx, BOOL, PTP_TIMER, PFILETIME, DWORD, DWORD);
DECLARED(IsThreadpoolTimerSet, BOOL, PTP_TIMER);
DECLARED(WaitForThreadpoolTimerCallbacks, VOID, PTP_TIMER, BOOL);
DECLARED(CloseThreadpoolTimer, VOID, PTP_TIMER);
DECLARED(CreateThreadpoolWait, PTP_WAIT, PTP_WAIT_CALLBACK, PVOID, PTP_CALLBACK_ENVIRON);
DECLARED(SetThreadpoolWait, VOID, PTP_WAIT, HANDLE, PFILETIME);
DECLARED(SetThreadpoolWaitEx, BOOL, PTP_WAIT, HANDLE, PFILETIME, PVOID);
DECLARED(WaitForThreadpoolWaitCallbacks, VOID, PTP_WAIT, BOOL);
DECLARED(CloseThreadpoolWait, VOID, PTP_WAIT);

DECLARED(CreateEventA, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, BOOL, LPCSTR);
DECLARED(CreateEventW, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, BOOL, LPCWSTR);
DECLARED(SetEvent, BOOL, HANDLE);
DECLARED(ResetEvent, BOOL, HANDLE);
DECLARED(CreateSemaphoreA, HANDLE, LPSECURITY_ATTRIBUTES, LONG, LONG, LPCSTR);
DECLARED(CreateSemaphoreW, HANDLE, LPSECURITY_ATTRIBUTES, LONG, LONG, LPCWSTR);
DECLARED(ReleaseSemaphore, BOOL, HANDLE, LONG, LPLONG);
DECLARED(CreateMutexA, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, LPCSTR);
DECLARED(CreateMutexW, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, LPCWSTR);
DECLARED(ReleaseMutex, BOOL, HANDLE);
DECLARED(CloseHandle, BOOL, HANDLE);
DECLARED(WaitForSingleObject, DWORD, HANDLE, DWORD);
DECLARED(InitializeCriticalSection, VOID, LPCRITICAL_SECTION);
DECLARED(InitializeCriticalSectionAndSpinCount, BOOL, LPCRITICAL_SECTION, DWORD);
DECLARED(EnterCriticalSection, VOID, LPCRITICAL_SECTION);
DECLARED(TryEnterCriticalSection, BOOL, LPCRITICAL_SECTION);
DECLARED(LeaveCriticalSection, VOID, LPCRITICAL_SECTION);
DECLARED(DeleteCriticalSection, VOID, LPCRITICAL_SECTION);
DECLARED(GetLastError, DWORD);
DECLARED(SetLastError, VOID, DWORD);
DECLARED(Sleep, VOID, DWORD);
DECLARED(GetCurrentThreadId, DWORD);
DECLARED(GetSystemTimeAsFileTime, VOID, LPFILETIME);
DECLARED(GetTickCount64, ULONGLONG);
DECLARED(LoadLibraryA, HMODULE, LPCSTR);
DECLARED(FreeLibrary, BOOL, HMODULE);
DECLARED(GetProcAddress, FARPROC, HMODULE, LPCSTR);

#define SIGNATURE(NAME, RESULT, ...) static_assert(std::is_same<NAME, RESULT(CALLBACK*)(__VA_ARGS__)>::value, #NAME)

SIGNATURE(PTP_SIMPLE_CALLBACK, VOID, PTP_CALLBACK_INSTANCE, PVOID);
SIGNATURE(PTP_WORK_CALLBACK, VOID, PTP_CALLBACK_INSTANCE, PVOID, PTP_WORK);
SIGNATURE(PTP_TIMER_CALLBACK, VOID, PTP_CALLBACK_INSTANCE, PVOID, PTP_TIMER);
SIGNATURE(PTP_WAIT_CALLBACK, VOID, PTP_CALLBACK_INSTANCE, PVOID, PTP_WAIT, TP_WAIT_RESULT);
SIGNATURE(PTP_CLEANUP_GROUP_CANCEL_CALLBACK, VOID, PVOID, PVOID);

// The functions about environments, and the macros that may hide behind a name.
void environment_functions_take_what_they_take(PTP_CALLBACK_ENVIRON environment, PTP_POOL pool, PTP_CLEANUP_GROUP group,
                                               PVOID library, PTP_CLEANUP_GROUP_CANCEL_CALLBACK cancelled,
                                               PTP_SIMPLE_CALLBACK finalize) {
  InitializeThreadpoolEnvironment(environment);
  SetThreadpoolCallbackPool(environment, pool);
  SetThreadpoolCallbackCleanupGroup(environment, group, cancelled);
  SetThreadpoolCallbackRunsLong(environment);
  SetThreadpoolCallbackLibrary(environment, library);
  SetThreadpoolCallbackPriority(environment, TP_CALLBACK_PRIORITY_LOW);
  TpSetCallbackFinalizationCallback(environment, finalize);
  TpSetCallbackPersistent(environment);
  DestroyThreadpoolEnvironment(environment);
  LONG volatile value = 0;
  InterlockedExchangeAdd(&value, InterlockedIncrement(&value));
  InterlockedCompareExchange(&value, InterlockedExchange(&value, 1), InterlockedDecrement(&value));
}

static_assert(sizeof(BOOL) == 4 && sizeof(DWORD) == 4 && sizeof(LONG) == 4 && sizeof(WORD) == 2 && sizeof(BYTE) == 1,
              "widths");
static_assert(sizeof(LONGLONG) == 8 && sizeof(ULONG_PTR) == sizeof(void*) && sizeof(SIZE_T) == sizeof(void*), "widths");
static_assert(sizeof(FILETIME) == 8 && sizeof(ULARGE_INTEGER) == 8 && alignof(FILETIME) == 4, "times");
static_assert(sizeof(TP_POOL_STACK_INFORMATION) == 2 * sizeof(SIZE_T), "stack information");
static_assert(offsetof(TP_CALLBACK_ENVIRON, Pool) == sizeof(void*), "environment");
static_assert(offsetof(TP_CALLBACK_ENVIRON, FinalizationCallback) == 6 * sizeof(void*), "environment");
static_assert(offsetof(TP_CALLBACK_ENVIRON, CallbackPriority) == 7 * sizeof(void*) + 4, "environment");
static_assert(sizeof(TP_CALLBACK_ENVIRON) == 9 * sizeof(void*), "environment");
static_assert(TP_CALLBACK_PRIORITY_HIGH == 0 && TP_CALLBACK_PRIORITY_INVALID == 3, "priorities");
static_assert(WAIT_OBJECT_0 == 0 && WAIT_TIMEOUT == 258 && WAIT_ABANDONED == 0x80 && WAIT_FAILED == 0xffffffffu,
              "waits");
static_assert(ERROR_INVALID_HANDLE == 6 && ERROR_NOT_ENOUGH_MEMORY == 8 && ERROR_INVALID_PARAMETER == 87, "errors");
static_assert(ERROR_NOT_SUPPORTED == 50 && ERROR_NOT_OWNER == 288 && ERROR_TOO_MANY_POSTS == 298, "errors");
static_assert(ERROR_TOO_MANY_TCBS == 155 && ERROR_MOD_NOT_FOUND == 126 && ERROR_PROC_NOT_FOUND == 127, "errors");
static_assert(INFINITE == 0xffffffffu && TRUE == 1 && FALSE == 0, "constants");
