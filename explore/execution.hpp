// execution: one run of a scenario, every step of which somebody chose.
//
// Threads are stacks on one thread of the operating system. A thread runs until its next access to a word that others
// may touch too, and the `chooser` says who goes on. Time stands still, until nobody can run, or until the chooser
// moves it to the next instant somebody sleeps until.
//
// Memory. Each word has a history of the values stored, in the order in which the steps were made. Each thread has a
// view: for each word the oldest value it may still read, and for each thread the last event that happened before. A
// load picks any value of its view or later; a release store leaves the view with the value, an acquire load takes it
// in; a read-modify-write reads the latest and goes on with a release sequence. That is C++ without seq_cst, but for
// stores that come earlier in the modification order than in time, and for loads of what will be stored later.
#pragma once

#include "sync/atomic.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace detent::explore {

using thread_set = std::uint32_t;
inline constexpr int clock_thread = thread_limit - 1;
constexpr thread_set only(int thread) noexcept { return thread_set{1} << thread; }

struct choice {
  thread_set can_run;
  bool time_can_move;
  int current;  // its next step is in `can_run` unless it has ended or sleeps
};

// Who decides. Called for each step of the explored part of a scenario.
class chooser {
 public:
  static constexpr int redundant = -1;
  chooser() noexcept = default;
  chooser(const chooser&) = delete;
  chooser& operator=(const chooser&) = delete;
  virtual ~chooser() = default;
  virtual void begin() noexcept = 0;
  // A thread of `can_run`, `clock_thread`, or `redundant`: all that could follow was explored.
  virtual int pick_thread(const choice& from) noexcept = 0;
  // How old a value is read: 0 is the latest, `count - 1` the oldest that may still be seen.
  virtual int pick_value(int count) noexcept = 0;
  // These threads' next steps depend on the one just chosen.
  virtual void note_dependents(thread_set) noexcept {}
  // Whether every step is asked for, also those on words that only one thread touches.
  virtual bool wants_every_step() const noexcept { return false; }
};

enum class verdict : std::uint8_t { held, redundant, violated };

struct outcome {
  verdict what = verdict::held;
  std::string sentence;  // of a violation
  std::string schedule;
  std::size_t steps = 0;
};

// What is known of a scenario's words: which are touched by more than one thread. Grows from run to run.
void forget_words() noexcept;
bool learned_words() noexcept;  // since it was last asked

outcome execute(void (*scenario)(), chooser& by);
inline bool telling = false;  // print each step
// The library's plain memory is watched for races: always in the explored part, in the set-up (four times slower) on
// demand.
inline bool watching = false;
inline bool watching_set_up = false;

// --- For scenarios ---------------------------------------------------------------------------------------------------

void check(bool holds, const char* sentence) noexcept;
[[noreturn]] void fail(const char* sentence) noexcept;
std::int64_t now_ns() noexcept;
// The other threads run until they sleep.
void settle() noexcept;
// Looks without being part of the execution: nothing it reads orders anything, and nobody else runs meanwhile.
void look_aside(void (*look)(void* context), void* context) noexcept;
template <class Look>
void aside(Look look) noexcept {
  look_aside([](void* context) { (*static_cast<Look*>(context))(); }, &look);
}
// A step of its own: another thread may run first.
void pause() noexcept;
// Sleeps in the execution's time.
void sleep_until(std::int64_t at_ns) noexcept;
// From here on time may move also while somebody can run.
void let_time_move() noexcept;

struct party {
  const char* name;
  void (*body)(void* context);
  void* context;
};
// Explores the parties, and the threads there are already, until all parties have ended and everybody sleeps.
void run_parties(const party* parties, int count) noexcept;

template <class Body>
party as_party(const char* name, Body& body) noexcept {
  return {name, [](void* context) { (*static_cast<Body*>(context))(); }, const_cast<std::remove_const_t<Body>*>(&body)};
}

template <class... Bodies>
void run_parties(Bodies&&... bodies) noexcept {
  static constexpr const char* names[] = {"first", "second", "third", "fourth"};
  int next = 0;
  const party all[] = {as_party(names[next++], bodies)...};
  run_parties(all, static_cast<int>(sizeof...(Bodies)));
}

// Memory that is no atomic. Two accesses, one of them a write, have to be ordered by what happens before.
template <class T>
class plain {
 public:
  explicit plain(T first = T{}) noexcept : value_(first) { note_plain_write(history_, this); }
  plain(const plain&) = delete;
  plain& operator=(const plain&) = delete;
  ~plain() { note_plain_write(history_, this); }
  T read() const noexcept {
    note_plain_read(history_, this);
    return value_;
  }
  void write(T value) noexcept {
    note_plain_write(history_, this);
    value_ = value;
  }

 private:
  T value_;
  mutable plain_history history_{};
};

// --- For the platform and the memory ---------------------------------------------------------------------------------

int start_thread(const char* name, void (*body)(void*), void* context) noexcept;
void join_thread(int thread) noexcept;
void yield_thread() noexcept;
void note_freed(const void* block, std::size_t bytes) noexcept;
void call_at_start(void (*hook)()) noexcept;

// --- Weakening one access --------------------------------------------------------------------------------------------

enum class half : std::uint8_t { acquire, release, otherwise };

struct site {
  const char* file = nullptr;
  const char* function = nullptr;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  access_kind kind = access_kind::load;
  std::memory_order order = std::memory_order_relaxed;
  std::memory_order otherwise = std::memory_order_relaxed;
};

inline bool recording_sites = false;
std::size_t recorded_sites(const site** first) noexcept;
void forget_sites() noexcept;
void weaken(const site& where, half what) noexcept;
void weaken_nothing() noexcept;

}  // namespace detent::explore
