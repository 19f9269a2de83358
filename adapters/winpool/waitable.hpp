// waitable: an event, a semaphore or a mutex. Its eventfd holds its state, so that anything that polls can wait for it.
//
// Lock order: the engine's lock, then a waitable's.
#pragma once

#include <detent/version.hpp>
#include <detent/win/windows.h>

#include <atomic>
#include <list>
#include <mutex>

DETENT_BEGIN_NAMESPACE
namespace winpool {

class waitable {
 public:
  enum class kind { manual_event, auto_event, semaphore, mutex };

  // Null when the system refused.
  static waitable* create(kind what, LONG initial, LONG maximum);
  static waitable* from(HANDLE object) {
    return object == nullptr || object == INVALID_HANDLE_VALUE ? nullptr : static_cast<waitable*>(object);
  }

  waitable(const waitable&) = delete;
  waitable& operator=(const waitable&) = delete;

  void share() { shares_.fetch_add(1, std::memory_order_relaxed); }
  void drop();

  kind what() const { return kind_; }
  int descriptor() const { return fd_; }
  bool is_event() const { return kind_ == kind::manual_event || kind_ == kind::auto_event; }

  // Takes the signal, if there is one: an auto-reset event is reset, a semaphore counts down, a mutex is owned.
  bool try_take();
  void set();
  void reset();
  DWORD release_semaphore(LONG count, LONG* previous);  // an ERROR_ value
  DWORD release_mutex();                                // an ERROR_ value

  // Both under the engine's lock: the pool's waits for this object in order, and whether its descriptor is watched.
  std::list<_TP_WAIT*> waits;
  bool watched = false;

 private:
  waitable(kind what, int fd, LONG initial, LONG maximum) : kind_(what), fd_(fd), count_(initial), maximum_(maximum) {}
  ~waitable();
  bool is_readable() const;
  bool read_one();
  void write(LONG count);

  const kind kind_;
  const int fd_;
  std::mutex lock_;
  LONG count_;                  // of a semaphore; under lock_
  const LONG maximum_;          // of a semaphore
  DWORD owner_ = 0;             // of a mutex; under lock_
  LONG recursions_ = 0;         // of a mutex; under lock_
  std::atomic<int> shares_{1};  // by who holds one; the last to return his, acq_rel, has seen all that others did
};

}  // namespace winpool
DETENT_END_NAMESPACE
