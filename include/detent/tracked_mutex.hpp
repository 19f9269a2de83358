// tracked_mutex: a mutex whose place in the order of locks is watched, so that a deadlock between a user's lock and a
// wait for a callback is told of even when it did not happen in this run.
//
// The mistake it finds: one thread waits for a callback (a close_and_wait, a destructor, a shutdown) while it holds a
// mutex that the callback takes. Watching happens in builds with DETENT_CHECKED; elsewhere `tracked_mutex<M>` is an M
// and nothing more. The thread sanitizer watches every mutex by itself: under it this is a plain wrapper too.
#pragma once

#include <detent/detail/call_site.hpp>
#include <detent/version.hpp>

#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#if defined(__SANITIZE_THREAD__)
#define DETENT_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define DETENT_THREAD_SANITIZER 1
#endif
#endif
#if !defined(DETENT_THREAD_SANITIZER)
#define DETENT_THREAD_SANITIZER 0
#endif

#if defined(DETENT_CHECKED) && !DETENT_THREAD_SANITIZER
#define DETENT_TRACKS_LOCKS 1
#else
#define DETENT_TRACKS_LOCKS 0
#endif

DETENT_BEGIN_NAMESPACE

// Two or more threads that would wait for each other if they met: each step is one thread that held one thing and
// wanted the next; the last step wants what the first one held.
struct lock_order_report {
  struct step {
    std::string thread;
    std::string held;                 // "mutex 'm'", "callback of timer 't'", …
    std::source_location held_place;  // where it was locked; of a callback: where the timer was created
    std::string wanted;
    std::source_location wanted_place;  // where it was to be locked; of a wait: where the timer was created
    std::string verb;                   // "lock", or the verb that waits
    std::vector<std::string> stack;     // of the thread at that moment, innermost first: module(symbol+offset)
  };
  std::vector<step> steps;
  std::string text;  // the same to read
};

// Called on the thread that closed the cycle, with no lock of the library held, and once per cycle. The default prints
// to stderr. Answers the handler before.
using lock_order_handler = void (*)(const lock_order_report&);
DETENT_EXPORT lock_order_handler set_lock_order_handler(lock_order_handler handler) noexcept;

namespace detail {

// A node of the graph: a mutex, or the callbacks that a waiting verb waits for.
struct lock_node {
  std::uint64_t number = 0;  // guarded by the graph's lock; 0: in no edge yet
};

// What a node is called in reports.
struct lock_label {
  const char* kind;
  const char* name;
  std::source_location place;
};

DETENT_EXPORT void note_wanted(lock_node& node, const lock_label& label, std::source_location at) noexcept;
DETENT_EXPORT void note_held(lock_node& node, const lock_label& label, std::source_location at) noexcept;
DETENT_EXPORT void note_released(lock_node& node) noexcept;
DETENT_EXPORT void forget_lock(lock_node& node) noexcept;

}  // namespace detail

// Wraps std::mutex, std::shared_mutex, std::recursive_mutex, or any Lockable, as a drop-in: std::lock_guard and the
// like take it. A lock taken by such a guard is placed inside the standard library: the report's stack says who called,
// `m.lock()` in the open also says where.
//
//   Verbs      block   threads                        inside a callback   errors
//   as those of `Mutex`; a report is no error: the lock is taken all the same
template <class Mutex>
class tracked_mutex {
 public:
#if DETENT_TRACKS_LOCKS
  // `name` must outlive the mutex.
  explicit tracked_mutex(const char* name = "", std::source_location place = detail::call_site::current()) noexcept
      : label_{"mutex", name, place} {}
  ~tracked_mutex() { detail::forget_lock(node_); }

  void lock(std::source_location at = detail::call_site::current()) {
    detail::note_wanted(node_, label_, at);
    mutex_.lock();
    detail::note_held(node_, label_, at);
  }
  bool try_lock(std::source_location at = detail::call_site::current()) { return held_if(mutex_.try_lock(), at); }
  void unlock() {
    detail::note_released(node_);
    mutex_.unlock();
  }

  void lock_shared(std::source_location at = detail::call_site::current())
    requires requires(Mutex& m) { m.lock_shared(); }
  {
    detail::note_wanted(node_, label_, at);
    mutex_.lock_shared();
    detail::note_held(node_, label_, at);
  }
  bool try_lock_shared(std::source_location at = detail::call_site::current())
    requires requires(Mutex& m) { m.try_lock_shared(); }
  {
    return held_if(mutex_.try_lock_shared(), at);
  }
  void unlock_shared()
    requires requires(Mutex& m) { m.unlock_shared(); }
  {
    detail::note_released(node_);
    mutex_.unlock_shared();
  }
#else
  constexpr explicit tracked_mutex(const char* = "") noexcept {}

  void lock() { mutex_.lock(); }
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }
  void lock_shared()
    requires requires(Mutex& m) { m.lock_shared(); }
  {
    mutex_.lock_shared();
  }
  bool try_lock_shared()
    requires requires(Mutex& m) { m.try_lock_shared(); }
  {
    return mutex_.try_lock_shared();
  }
  void unlock_shared()
    requires requires(Mutex& m) { m.unlock_shared(); }
  {
    mutex_.unlock_shared();
  }
#endif
  tracked_mutex(const tracked_mutex&) = delete;
  tracked_mutex& operator=(const tracked_mutex&) = delete;

 private:
#if DETENT_TRACKS_LOCKS
  bool held_if(bool locked, std::source_location at) {
    if (locked) detail::note_held(node_, label_, at);
    return locked;
  }
  detail::lock_node node_;
  detail::lock_label label_;
#endif
  Mutex mutex_;
};

DETENT_END_NAMESPACE
