/* The headers are C as well: one timer, one call. */
#include <windows.h>

static VOID CALLBACK tick(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer) {
  UNREFERENCED_PARAMETER(timer);
  SetEventWhenCallbackReturns(instance, (HANDLE)context);
}

int main(void) {
  HANDLE done = CreateEvent(NULL, FALSE, FALSE, NULL);
  TP_CALLBACK_ENVIRON environment;
  PTP_TIMER timer;
  FILETIME due = {(DWORD)-10000, (DWORD)-1};
  InitializeThreadpoolEnvironment(&environment);
  timer = CreateThreadpoolTimer(tick, done, &environment);
  if (timer == NULL || done == NULL) return 1;
  SetThreadpoolTimer(timer, &due, 0, 0);
  if (WaitForSingleObject(done, INFINITE) != WAIT_OBJECT_0) return 1;
  WaitForThreadpoolTimerCallbacks(timer, TRUE);
  CloseThreadpoolTimer(timer);
  return CloseHandle(done) ? 0 : 1;
}
