// pthreads rather than std::thread: names, priorities and a timed join, and the same code without exceptions.
#include "platform/platform.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

namespace detent::inline v0::detail::platform {

namespace {

struct start_block {
  void (*body)(void*);
  void* context;
  char name[16];
  bool exact_sleeps;
};

void* thread_main(void* argument) {
  const std::unique_ptr<start_block> block(static_cast<start_block*>(argument));
  pthread_setname_np(pthread_self(), block->name);
  // The default slack rounds every sleep of an ordinary thread by up to 50 us.
  if (block->exact_sleeps) prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  block->body(block->context);
  return nullptr;
}

static_assert(sizeof(pthread_t) <= sizeof(std::uint64_t));

pthread_t to_pthread(std::uint64_t handle) noexcept {
  pthread_t thread{};
  std::memcpy(&thread, &handle, sizeof thread);
  return thread;
}

// A refused priority is an error, never a silent fall-back: a user who asked for it relies on it.
int set_scheduling(pthread_attr_t& attributes, const thread_traits& traits) noexcept {
  if (traits.policy == scheduling::ordinary) return 0;
  sched_param level{};
  level.sched_priority = traits.level;
  const int policy = traits.policy == scheduling::fifo ? SCHED_FIFO : SCHED_RR;
  int error = pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  if (error == 0) error = pthread_attr_setschedpolicy(&attributes, policy);
  if (error == 0) error = pthread_attr_setschedparam(&attributes, &level);
  return error;
}

}  // namespace

int thread::start(const thread_traits& traits, void (*body)(void*), void* context, const char** operation) noexcept {
  std::unique_ptr<start_block> block(new (std::nothrow) start_block{body, context, {}, traits.exact_sleeps});
  *operation = "allocate a thread's start block";
  if (block == nullptr) return ENOMEM;
  std::strncpy(block->name, traits.name, sizeof block->name - 1);

  pthread_attr_t attributes;
  *operation = "pthread_attr_init";
  if (const int error = pthread_attr_init(&attributes); error != 0) return error;
  *operation = "set a thread's priority";
  int error = set_scheduling(attributes, traits);
  if (error == 0) {
    // Signals belong to the program's own threads. But a thread's own faults are its own: a blocked one would end the
    // process without its handler.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t created{};
    *operation = "pthread_create";
    error = pthread_create(&created, &attributes, &thread_main, block.get());
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error == 0) {
      static_cast<void>(block.release());  // The new thread frees it.
      std::memcpy(&handle_, &created, sizeof created);
      running_.store(true, std::memory_order_relaxed);  // No partner: see running_.
    }
  }
  pthread_attr_destroy(&attributes);
  return error;
}

bool thread::is_self() const noexcept {
  return is_running() && pthread_equal(to_pthread(handle_), pthread_self()) != 0;
}

void thread::join() noexcept {
  if (!is_running()) return;
  const int error = pthread_join(to_pthread(handle_), nullptr);
  DETENT_CHECK(error == 0, "a thread of the service could not be joined");
  running_.store(false, std::memory_order_relaxed);  // No partner: see running_.
}

bool thread::join_until(std::int64_t until_ns) noexcept {
  if (!is_running()) return true;
  timespec until{};
  until.tv_sec = static_cast<time_t>(until_ns / 1'000'000'000);
  until.tv_nsec = static_cast<long>(until_ns % 1'000'000'000);
  if (pthread_clockjoin_np(to_pthread(handle_), nullptr, CLOCK_MONOTONIC, &until) != 0) return false;
  running_.store(false, std::memory_order_relaxed);  // No partner: see running_.
  return true;
}

void thread::let_go() noexcept {
  if (!is_running()) return;
  pthread_detach(to_pthread(handle_));
  running_.store(false, std::memory_order_relaxed);  // No partner: see running_.
}

std::uint64_t this_thread() noexcept {
  const pthread_t self = pthread_self();
  std::uint64_t handle = 0;
  std::memcpy(&handle, &self, sizeof self);
  return handle;
}

void name_this_thread(char (&name)[16]) noexcept {
  if (pthread_getname_np(pthread_self(), name, sizeof name) != 0) name[0] = '\0';
}

int on_fork(void (*before)(), void (*parent)(), void (*child)()) noexcept {
  return pthread_atfork(before, parent, child);
}

}  // namespace detent::inline v0::detail::platform
