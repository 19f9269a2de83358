// platform: all that the library asks of an operating system. Another system supplies these bodies in a folder of its
// own; nothing outside this folder includes an OS header or asks which OS this is.
#pragma once

#include "base/base.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace detent::inline v0::detail::platform {

enum class clock_id : std::uint8_t { steady, boottime, system };
inline constexpr std::size_t clock_count = 3;

// Nanoseconds since that clock's epoch. Never fails on the systems supported.
std::int64_t read_clock_ns(clock_id clock) noexcept;

// --- Parking on a word ----------------------------------------------------------------------------------------------

inline constexpr std::int64_t forever_ns = INT64_MAX;

// Sleeps while `word` holds `expected`, until a wake, a stray signal, or the steady clock's `until_ns`. Callers look
// again, whatever the reason. Answers whether the instant passed.
bool park(const std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until_ns) noexcept;
void unpark(const std::atomic<std::uint32_t>& word, int count) noexcept;
inline constexpr int everyone = INT32_MAX;

// A lock's holder may have been put off the CPU: let it run.
void yield() noexcept;

// --- Threads --------------------------------------------------------------------------------------------------------

enum class scheduling : std::uint8_t { ordinary, fifo, round_robin };

struct thread_traits {
  const char* name = "";  // the OS shows its first 15 bytes
  scheduling policy = scheduling::ordinary;
  int level = 0;
  bool exact_sleeps = false;  // ask the OS not to round this thread's sleeps
};

// A thread that is joined, or let go when it destroys the service it belongs to.
class thread {
 public:
  thread() noexcept = default;
  thread(const thread&) = delete;
  thread& operator=(const thread&) = delete;
  ~thread() { DETENT_CHECK(!is_running(), "a thread was neither joined nor let go"); }

  // Runs body(context). Answers 0, or the error number of the operation named in `*operation`.
  int start(const thread_traits& traits, void (*body)(void*), void* context, const char** operation) noexcept;
  bool is_running() const noexcept { return running_.load(std::memory_order_relaxed); }
  bool is_self() const noexcept;
  void join() noexcept;
  bool join_until(std::int64_t until_ns) noexcept;
  // The thread ends by itself after the callback it is in (contract G19, the one exception).
  void let_go() noexcept;
  // In a fork child there is nothing to join.
  void forget() noexcept { running_.store(false, std::memory_order_relaxed); }

 private:
  std::uint64_t handle_ = 0;
  std::atomic<bool> running_{false};  // No partner: only a thread itself needs the truth of whether it is let go.
};

// Identifies the calling thread for as long as it lives.
std::uint64_t this_thread() noexcept;
void name_this_thread(char (&name)[16]) noexcept;

// --- Waking a poll, and sleeping in one ------------------------------------------------------------------------------

// One descriptor that becomes readable when it was notified or when a clock reaches an instant.
class poll_set {
 public:
  poll_set() noexcept = default;
  poll_set(const poll_set&) = delete;
  poll_set& operator=(const poll_set&) = delete;
  ~poll_set() { close(); }

  // Answers 0, or an error number. Any thread may notify once this has answered 0.
  int open() noexcept;
  void close() noexcept;
  bool is_open() const noexcept { return poll_ >= 0; }
  int descriptor() const noexcept { return poll_; }

  // Any thread.
  void notify() noexcept;

  // The rest: the driver only. Instants are the clock's own nanoseconds; forever_ns disarms.
  void set_alarm(clock_id clock, std::int64_t at_ns) noexcept;
  // Sleeps until notified or an alarm; a negative limit means no limit. Answers whether the limit did not end it.
  bool sleep(std::int64_t limit_ns) noexcept;
  // Takes back notifications and alarms. Answers whether somebody set the wall clock since.
  bool drain() noexcept;

 private:
  int poll_ = -1;
  int event_ = -1;
  int alarm_[clock_count] = {-1, -1, -1};
  std::int64_t alarm_ns_[clock_count] = {forever_ns, forever_ns, forever_ns};
  bool stepped_ = false;  // the wall clock was, which `drain` has not told of yet
};

// --- Memory ---------------------------------------------------------------------------------------------------------

// Whether nearly all of it will be used (the OS is asked for huge pages), or only here and there.
enum class paging : bool { dense, sparse };

// Zeroed pages, resident only where touched; null when the OS refuses.
void* allocate_pages(std::size_t bytes, paging use = paging::dense) noexcept;
void free_pages(void* pages, std::size_t bytes) noexcept;

// --- Stacks ---------------------------------------------------------------------------------------------------------

// The return addresses of the calling thread, innermost first. Answers how many. Not for signal handlers.
std::size_t read_stack(void** frames, std::size_t limit) noexcept;
// Whether both places are on the stack that the calling thread was started with.
bool are_on_own_stack(const void* one, const void* other) noexcept;
// "module(symbol+offset)", offset from the start of the module, as addr2line takes it.
void name_frame(void* frame, char* text, std::size_t size) noexcept;

// --- Process --------------------------------------------------------------------------------------------------------

// Registers, once, three functions around fork: before it in the parent, after it in the parent, after it in the child.
// Answers 0 or an error number.
int on_fork(void (*before)(), void (*parent)(), void (*child)()) noexcept;

}  // namespace detent::inline v0::detail::platform
