// A library with a callback in it, for the test that it stays loaded.
#include <detent/win/windows.h>

#include <atomic>

extern "C" __attribute__((visibility("default"))) void NTAPI plugin_work(PTP_CALLBACK_INSTANCE, PVOID at, PTP_WORK) {
  ++*static_cast<std::atomic<int>*>(at);
}
