// waitable: events, semaphores, mutexes, critical sections, times and libraries.
#include "waitable.hpp"

#include "engine.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <dlfcn.h>
#include <limits>
#include <new>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

DETENT_BEGIN_NAMESPACE
namespace winpool {
namespace {

thread_local DWORD last_error = ERROR_SUCCESS;

BOOL answer(DWORD error) {
  if (error == ERROR_SUCCESS) return TRUE;
  last_error = error;
  return FALSE;
}

HANDLE create(waitable::kind what, LONG initial, LONG maximum, bool is_named) {
  if (is_named) {
    last_error = ERROR_NOT_SUPPORTED;
    return nullptr;
  }
  waitable* made = waitable::create(what, initial, maximum);
  if (made == nullptr) last_error = ERROR_NOT_ENOUGH_MEMORY;
  return made;
}

HANDLE create_event(bool manual, bool initial, bool is_named) {
  return create(manual ? waitable::kind::manual_event : waitable::kind::auto_event, initial ? 1 : 0, 1, is_named);
}

HANDLE create_semaphore(LONG initial, LONG maximum, bool is_named) {
  if (maximum <= 0 || initial < 0 || initial > maximum) {
    last_error = ERROR_INVALID_PARAMETER;
    return nullptr;
  }
  return create(waitable::kind::semaphore, initial, maximum, is_named);
}

HANDLE create_mutex(bool owned, bool is_named) {
  HANDLE made = create(waitable::kind::mutex, 1, 1, is_named);
  if (made != nullptr && owned) waitable::from(made)->try_take();
  return made;
}

waitable* of_kind(HANDLE object, bool (*fits)(const waitable&)) {
  waitable* found = waitable::from(object);
  if (found == nullptr || !fits(*found)) {
    last_error = ERROR_INVALID_HANDLE;
    return nullptr;
  }
  return found;
}

waitable* event_of(HANDLE object) {
  return of_kind(object, [](const waitable& w) { return w.is_event(); });
}

pthread_mutex_t* mutex_of(LPCRITICAL_SECTION section) { return reinterpret_cast<pthread_mutex_t*>(section->opaque); }
static_assert(sizeof(CRITICAL_SECTION) >= sizeof(pthread_mutex_t) &&
              alignof(CRITICAL_SECTION) >= alignof(pthread_mutex_t));

}  // namespace

int descriptor(void* object) noexcept {
  const waitable* found = waitable::from(object);
  return found == nullptr ? -1 : found->descriptor();
}

waitable* waitable::create(kind what, LONG initial, LONG maximum) {
  const int flags = EFD_CLOEXEC | EFD_NONBLOCK | (what == kind::semaphore ? EFD_SEMAPHORE : 0);
  const int fd = eventfd(static_cast<unsigned>(initial), flags);
  if (fd < 0) return nullptr;
  auto* made = new (std::nothrow) waitable(what, fd, initial, maximum);
  if (made == nullptr) ::close(fd);
  return made;
}

waitable::~waitable() { ::close(fd_); }

void waitable::drop() {
  if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool waitable::is_readable() const {
  pollfd one{fd_, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

bool waitable::read_one() {
  std::uint64_t count = 0;
  return ::read(fd_, &count, sizeof(count)) == sizeof(count);
}

void waitable::write(LONG count) {
  const auto by = static_cast<std::uint64_t>(count);
  static_cast<void>(::write(fd_, &by, sizeof(by)) == sizeof(by));
}

bool waitable::try_take() {
  const std::scoped_lock held(lock_);
  switch (kind_) {
    case kind::manual_event: return is_readable();
    case kind::auto_event: return read_one();
    case kind::semaphore:
      if (!read_one()) return false;
      --count_;
      return true;
    case kind::mutex:
      if (owner_ == GetCurrentThreadId()) {
        ++recursions_;
        return true;
      }
      if (!read_one()) return false;
      owner_ = GetCurrentThreadId();
      return true;
  }
  return false;
}

void waitable::set() {
  const std::scoped_lock held(lock_);
  if (!is_readable()) write(1);
}

void waitable::reset() {
  const std::scoped_lock held(lock_);
  read_one();
}

DWORD waitable::release_semaphore(LONG count, LONG* previous) {
  const std::scoped_lock held(lock_);
  if (count <= 0) return ERROR_INVALID_PARAMETER;
  if (count > maximum_ - count_) return ERROR_TOO_MANY_POSTS;
  if (previous != nullptr) *previous = count_;
  count_ += count;
  write(count);
  return ERROR_SUCCESS;
}

DWORD waitable::release_mutex() {
  const std::scoped_lock held(lock_);
  if (owner_ != GetCurrentThreadId()) return ERROR_NOT_OWNER;
  if (recursions_ != 0) {
    --recursions_;
    return ERROR_SUCCESS;
  }
  owner_ = 0;
  write(1);
  return ERROR_SUCCESS;
}

}  // namespace winpool
DETENT_END_NAMESPACE

using namespace detent::winpool;  // NOLINT: the C functions below are thin faces of it

extern "C" {

HANDLE CreateEventA(LPSECURITY_ATTRIBUTES, BOOL manual_reset, BOOL initial, LPCSTR name) {
  return create_event(manual_reset != FALSE, initial != FALSE, name != nullptr);
}
HANDLE CreateEventW(LPSECURITY_ATTRIBUTES, BOOL manual_reset, BOOL initial, LPCWSTR name) {
  return create_event(manual_reset != FALSE, initial != FALSE, name != nullptr);
}
HANDLE CreateSemaphoreA(LPSECURITY_ATTRIBUTES, LONG initial, LONG maximum, LPCSTR name) {
  return create_semaphore(initial, maximum, name != nullptr);
}
HANDLE CreateSemaphoreW(LPSECURITY_ATTRIBUTES, LONG initial, LONG maximum, LPCWSTR name) {
  return create_semaphore(initial, maximum, name != nullptr);
}
HANDLE CreateMutexA(LPSECURITY_ATTRIBUTES, BOOL owned, LPCSTR name) {
  return create_mutex(owned != FALSE, name != nullptr);
}
HANDLE CreateMutexW(LPSECURITY_ATTRIBUTES, BOOL owned, LPCWSTR name) {
  return create_mutex(owned != FALSE, name != nullptr);
}

BOOL SetEvent(HANDLE event) {
  waitable* found = event_of(event);
  if (found == nullptr) return FALSE;
  found->set();
  return TRUE;
}

BOOL ResetEvent(HANDLE event) {
  waitable* found = event_of(event);
  if (found == nullptr) return FALSE;
  found->reset();
  return TRUE;
}

BOOL ReleaseSemaphore(HANDLE semaphore, LONG count, LPLONG previous) {
  waitable* found = of_kind(semaphore, [](const waitable& w) { return w.what() == waitable::kind::semaphore; });
  return found == nullptr ? FALSE : answer(found->release_semaphore(count, previous));
}

BOOL ReleaseMutex(HANDLE mutex) {
  waitable* found = of_kind(mutex, [](const waitable& w) { return w.what() == waitable::kind::mutex; });
  return found == nullptr ? FALSE : answer(found->release_mutex());
}

BOOL CloseHandle(HANDLE object) {
  waitable* found = waitable::from(object);
  if (found == nullptr) return answer(ERROR_INVALID_HANDLE);
  found->drop();
  return TRUE;
}

DWORD WaitForSingleObject(HANDLE object, DWORD milliseconds) {
  waitable* found = waitable::from(object);
  if (found == nullptr) {
    last_error = ERROR_INVALID_HANDLE;
    return WAIT_FAILED;
  }
  using clock = std::chrono::steady_clock;
  const auto limit = clock::now() + std::chrono::milliseconds(milliseconds);
  while (!found->try_take()) {
    int left_ms = -1;
    if (milliseconds != INFINITE) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - clock::now()).count();
      if (left <= 0) return WAIT_TIMEOUT;
      left_ms = static_cast<int>(std::min<decltype(left)>(left, std::numeric_limits<int>::max()));
    }
    pollfd one{found->descriptor(), POLLIN, 0};
    ::poll(&one, 1, left_ms);
  }
  return WAIT_OBJECT_0;
}

VOID InitializeCriticalSection(LPCRITICAL_SECTION section) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(new (section->opaque) pthread_mutex_t, &attributes);
  pthread_mutexattr_destroy(&attributes);
}
BOOL InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION section, DWORD) {
  InitializeCriticalSection(section);
  return TRUE;
}
VOID EnterCriticalSection(LPCRITICAL_SECTION section) { pthread_mutex_lock(mutex_of(section)); }
BOOL TryEnterCriticalSection(LPCRITICAL_SECTION section) {
  return pthread_mutex_trylock(mutex_of(section)) == 0 ? TRUE : FALSE;
}
VOID LeaveCriticalSection(LPCRITICAL_SECTION section) { pthread_mutex_unlock(mutex_of(section)); }
VOID DeleteCriticalSection(LPCRITICAL_SECTION section) { pthread_mutex_destroy(mutex_of(section)); }

DWORD GetLastError() { return last_error; }
VOID SetLastError(DWORD error) { last_error = error; }

VOID Sleep(DWORD milliseconds) {
  timespec left{static_cast<time_t>(milliseconds / 1000), static_cast<long>(milliseconds % 1000) * 1'000'000};
  do {
    if (nanosleep(&left, &left) == 0) return;
  } while (errno == EINTR || milliseconds == INFINITE);
}

DWORD GetCurrentThreadId() {
  static thread_local const auto id = static_cast<DWORD>(syscall(SYS_gettid));
  return id;
}

VOID GetSystemTimeAsFileTime(LPFILETIME time) {
  const detent::manual_clock* clock = chosen_clock();
  const auto now = clock != nullptr ? clock->now<detent::system_clock>() : detent::system_clock::now();
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  const auto hundreds = static_cast<std::uint64_t>(ns / 100 + 116444736000000000);
  time->dwLowDateTime = static_cast<DWORD>(hundreds);
  time->dwHighDateTime = static_cast<DWORD>(hundreds >> 32);
}

ULONGLONG GetTickCount64() {
  const detent::manual_clock* clock = chosen_clock();
  const auto now = clock != nullptr ? clock->now() : detent::steady_clock::now();
  return static_cast<ULONGLONG>(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
}

HMODULE LoadLibraryA(LPCSTR path) {
  auto* module = static_cast<HMODULE>(dlopen(path, RTLD_NOW | RTLD_LOCAL));
  if (module == nullptr) last_error = ERROR_MOD_NOT_FOUND;
  return module;
}
BOOL FreeLibrary(HMODULE module) {
  if (module == nullptr || dlclose(module) != 0) return answer(ERROR_INVALID_HANDLE);
  return TRUE;
}
FARPROC GetProcAddress(HMODULE module, LPCSTR name) {
  auto found = reinterpret_cast<FARPROC>(dlsym(module, name));
  if (found == nullptr) last_error = ERROR_PROC_NOT_FOUND;
  return found;
}
}
