// A Windows program: a small cache whose entries are refreshed and expired by the thread pool. It knows nothing of the
// library; it compiles unchanged against Microsoft's headers and against <detent/win/windows.h>.
#include <stdio.h>
#include <windows.h>

namespace {

const int entries = 4;

struct Entry {
  LONG volatile refreshes;
  LONG volatile expired;
  PTP_TIMER refresh;
};

struct Cache {
  TP_CALLBACK_ENVIRON environment;
  PTP_POOL pool;
  PTP_CLEANUP_GROUP group;
  CRITICAL_SECTION lock;
  HANDLE refreshed;  // a semaphore: one count for each refresh
  HANDLE flushed;    // an event: the long flush has ended
  HANDLE shut;       // an event: asks the flush to end
  LONG volatile cancelled;
  LONG volatile waited;
  Entry entry[entries];
};

FILETIME InMilliseconds(LONG milliseconds) {
  ULARGE_INTEGER due;
  due.QuadPart = (ULONGLONG) - ((LONGLONG)milliseconds * 10000);
  FILETIME time;
  time.dwLowDateTime = due.LowPart;
  time.dwHighDateTime = due.HighPart;
  return time;
}

// While callbacks may count.
LONG Read(LONG volatile* counter) { return InterlockedCompareExchange(counter, 0, 0); }

VOID CALLBACK Cancelled(PVOID object, PVOID cleanup) {
  UNREFERENCED_PARAMETER(object);
  InterlockedIncrement(&((Cache*)cleanup)->cancelled);
}

Cache cache;

VOID CALLBACK Refresh(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer) {
  UNREFERENCED_PARAMETER(timer);
  Entry* entry = (Entry*)context;
  EnterCriticalSection(&cache.lock);
  LeaveCriticalSectionWhenCallbackReturns(instance, &cache.lock);
  InterlockedIncrement(&entry->refreshes);
  ReleaseSemaphoreWhenCallbackReturns(instance, cache.refreshed, 1);
}

VOID CALLBACK Expire(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer) {
  UNREFERENCED_PARAMETER(instance);
  Entry* entry = (Entry*)context;
  SetThreadpoolTimer(entry->refresh, NULL, 0, 0);
  CloseThreadpoolTimer(timer);
  InterlockedIncrement(&entry->expired);
}

// Takes long, and lets nobody wait for it but the cleanup group.
VOID CALLBACK Flush(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WORK work) {
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(work);
  CallbackMayRunLong(instance);
  SetEventWhenCallbackReturns(instance, cache.flushed);
  DisassociateCurrentThreadFromCallback(instance);
  WaitForSingleObject(cache.shut, INFINITE);
}

VOID CALLBACK Hello(PTP_CALLBACK_INSTANCE instance, PVOID context) {
  UNREFERENCED_PARAMETER(instance);
  printf("%s\n", (const char*)context);
}

VOID CALLBACK Shut(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WAIT wait, TP_WAIT_RESULT result) {
  UNREFERENCED_PARAMETER(instance);
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(wait);
  if (result == WAIT_OBJECT_0) InterlockedIncrement(&cache.waited);
}

BOOL Open(VOID) {
  InitializeCriticalSection(&cache.lock);
  cache.refreshed = CreateSemaphore(NULL, 0, 10000, NULL);
  cache.flushed = CreateEvent(NULL, TRUE, FALSE, NULL);
  cache.shut = CreateEvent(NULL, TRUE, FALSE, NULL);
  cache.pool = CreateThreadpool(NULL);
  cache.group = CreateThreadpoolCleanupGroup();
  if (!cache.refreshed || !cache.flushed || !cache.shut || !cache.pool || !cache.group) return FALSE;
  SetThreadpoolThreadMaximum(cache.pool, 4);
  if (!SetThreadpoolThreadMinimum(cache.pool, 1)) return FALSE;
  InitializeThreadpoolEnvironment(&cache.environment);
  SetThreadpoolCallbackPool(&cache.environment, cache.pool);
  SetThreadpoolCallbackCleanupGroup(&cache.environment, cache.group, Cancelled);
  SetThreadpoolCallbackPriority(&cache.environment, TP_CALLBACK_PRIORITY_HIGH);
  return TRUE;
}

VOID Close(VOID) {
  CloseThreadpoolCleanupGroupMembers(cache.group, TRUE, &cache);
  CloseThreadpoolCleanupGroup(cache.group);
  DestroyThreadpoolEnvironment(&cache.environment);
  CloseThreadpool(cache.pool);
  CloseHandle(cache.refreshed);
  CloseHandle(cache.flushed);
  CloseHandle(cache.shut);
  DeleteCriticalSection(&cache.lock);
}

}  // namespace

int main(void) {
  if (!Open()) {
    printf("no pool: error %u\n", (unsigned)GetLastError());
    return 1;
  }
  if (!TrySubmitThreadpoolCallback(Hello, (PVOID) "the cache is open", &cache.environment)) return 1;
  for (int i = 0; i < entries; ++i) {
    Entry* entry = &cache.entry[i];
    entry->refresh = CreateThreadpoolTimer(Refresh, entry, &cache.environment);
    PTP_TIMER expiry = CreateThreadpoolTimer(Expire, entry, &cache.environment);
    if (!entry->refresh || !expiry) return 1;
    FILETIME due = InMilliseconds(i + 1);
    SetThreadpoolTimer(entry->refresh, &due, 2, 1);
    if (i % 2 != 0) due = InMilliseconds(50);
    if (i % 2 == 0) due = InMilliseconds(3600 * 1000);
    SetThreadpoolTimer(expiry, &due, 0, 0);
  }
  PTP_WORK flush = CreateThreadpoolWork(Flush, NULL, &cache.environment);
  PTP_WAIT shut = CreateThreadpoolWait(Shut, NULL, &cache.environment);
  if (!flush || !shut) return 1;
  SetThreadpoolWait(shut, cache.shut, NULL);
  SubmitThreadpoolWork(flush);

  for (int i = 0; i < 20; ++i) WaitForSingleObject(cache.refreshed, INFINITE);
  while (!Read(&cache.entry[1].expired) || !Read(&cache.entry[3].expired)) Sleep(1);
  if (IsThreadpoolTimerSet(cache.entry[1].refresh)) return 1;
  BOOL recalled = SetThreadpoolTimerEx(cache.entry[0].refresh, NULL, 0, 0);
  WaitForThreadpoolTimerCallbacks(cache.entry[0].refresh, TRUE);
  LONG refreshes = cache.entry[0].refreshes;

  SetEvent(cache.shut);
  WaitForSingleObject(cache.flushed, INFINITE);
  while (!Read(&cache.waited)) Sleep(1);
  Close();
  printf("recalled %d; cancelled %d of %d\n", (int)recalled, (int)cache.cancelled, entries + 4);
  // Refreshes of entries 0 to 3, expiries of 0 and 2, the flush and the wait were never released by hand.
  return cache.entry[0].refreshes == refreshes && cache.cancelled == entries + 4 ? 0 : 1;
}
