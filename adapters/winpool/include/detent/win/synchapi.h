// synchapi.h: events, semaphores, mutexes and critical sections, interlocked operations, times and libraries: the
// small equivalents that code around the thread pool uses.
//
// An event, a semaphore and a mutex is an eventfd underneath: `detent::winpool::descriptor` (<detent/winpool.hpp>)
// gives it to code of this system that wants to poll it. There are no names shared between processes, no alertable
// waits, and no abandoned mutexes.
#ifndef DETENT_WIN_SYNCHAPI_H
#define DETENT_WIN_SYNCHAPI_H

#include "windef.h"

#ifdef UNICODE
#define CreateEvent CreateEventW
#define CreateSemaphore CreateSemaphoreW
#define CreateMutex CreateMutexW
#else
#define CreateEvent CreateEventA
#define CreateSemaphore CreateSemaphoreA
#define CreateMutex CreateMutexA
#define LoadLibrary LoadLibraryA
#endif

DETENT_WIN_BEGIN

// A name other than NULL is refused: ERROR_NOT_SUPPORTED.
HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL initial, LPCSTR name);
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL initial, LPCWSTR name);
BOOL WINAPI SetEvent(HANDLE event);
BOOL WINAPI ResetEvent(HANDLE event);

HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES attributes, LONG initial, LONG maximum, LPCSTR name);
HANDLE WINAPI CreateSemaphoreW(LPSECURITY_ATTRIBUTES attributes, LONG initial, LONG maximum, LPCWSTR name);
BOOL WINAPI ReleaseSemaphore(HANDLE semaphore, LONG count, LPLONG previous);

HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES attributes, BOOL owned, LPCSTR name);
HANDLE WINAPI CreateMutexW(LPSECURITY_ATTRIBUTES attributes, BOOL owned, LPCWSTR name);
BOOL WINAPI ReleaseMutex(HANDLE mutex);

BOOL WINAPI CloseHandle(HANDLE object);
// Blocks up to `milliseconds` of the real clock.
DWORD WINAPI WaitForSingleObject(HANDLE object, DWORD milliseconds);

// Recursive, as on Windows. The size leaves room for this system's mutex.
typedef struct _RTL_CRITICAL_SECTION {
  uint64_t opaque[10];
} CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION, RTL_CRITICAL_SECTION, *PRTL_CRITICAL_SECTION;

VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION section);
BOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION section, DWORD spins);
VOID WINAPI EnterCriticalSection(LPCRITICAL_SECTION section);
BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION section);
VOID WINAPI LeaveCriticalSection(LPCRITICAL_SECTION section);
VOID WINAPI DeleteCriticalSection(LPCRITICAL_SECTION section);

DWORD WINAPI GetLastError(VOID);
VOID WINAPI SetLastError(DWORD error);
VOID WINAPI Sleep(DWORD milliseconds);
DWORD WINAPI GetCurrentThreadId(VOID);
// The wall clock in 100 ns since 1601; the steady clock in ms. Both follow `detent::winpool::use_clock`.
VOID WINAPI GetSystemTimeAsFileTime(LPFILETIME time);
ULONGLONG WINAPI GetTickCount64(VOID);

// A module is what dlopen returns.
typedef INT_PTR(WINAPI* FARPROC)(VOID);
HMODULE WINAPI LoadLibraryA(LPCSTR path);
BOOL WINAPI FreeLibrary(HMODULE module);
FARPROC WINAPI GetProcAddress(HMODULE module, LPCSTR name);

// Full barriers, as on Windows.
FORCEINLINE LONG InterlockedIncrement(LONG volatile* value) { return __atomic_add_fetch(value, 1, __ATOMIC_SEQ_CST); }
FORCEINLINE LONG InterlockedDecrement(LONG volatile* value) { return __atomic_sub_fetch(value, 1, __ATOMIC_SEQ_CST); }
FORCEINLINE LONG InterlockedExchange(LONG volatile* value, LONG to) {
  return __atomic_exchange_n(value, to, __ATOMIC_SEQ_CST);
}
FORCEINLINE LONG InterlockedExchangeAdd(LONG volatile* value, LONG by) {
  return __atomic_fetch_add(value, by, __ATOMIC_SEQ_CST);
}
FORCEINLINE LONG InterlockedCompareExchange(LONG volatile* value, LONG to, LONG from) {
  __atomic_compare_exchange_n(value, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return from;
}

DETENT_WIN_END

#endif
