// worker_report: what a worker tells about its end: each stage, each thing that was not done, and its children's
// reports.
#pragma once

#include <detent/time.hpp>
#include <detent/version.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

DETENT_BEGIN_NAMESPACE

// What comes first in a worker's queue; within one priority the order of posting holds.
enum class priority : std::uint8_t { background, low, normal, high, urgent };
inline constexpr std::size_t priority_count = 5;

// How a worker ends, in this order.
enum class worker_stage : std::uint8_t {
  refuse,        // new work is refused, blocked posters are woken
  current_task,  // what runs ends by itself, or is told if it agreed to be
  callbacks,     // timers close; every expected callback is told why it will not come
  waiters,       // who waits for a task of this worker is woken with `cancelled`
  io,            // operations in flight are cancelled
  queue,         // what is queued is run, handed over or discarded
  farewells,     // communication is completed
  children,      // child workers are stopped and joined
  resources,     // what was owned is released, the last first
  join,          // the thread ends
};
inline constexpr std::size_t worker_stage_count = 10;

enum class stage_state : std::uint8_t {
  not_begun,
  running,
  done,
  overdue,  // its deadline passed before it was done
};

struct stage_report {
  worker_stage stage{};
  stage_state state = stage_state::not_begun;
  duration limit{0};    // what it was given
  duration took{0};     // until its end, or until this report
  std::string culprit;  // what ran when the deadline passed
};

// What became of something that the worker was given and did not do.
enum class fate : std::uint8_t {
  refused,      // the queue was full, or the worker was stopping; whoever posted it was told
  displaced,    // an item of a higher priority took its place in a full queue
  withdrawn,    // whoever posted it took it back, or stopped waiting for it
  cancelled,    // its waiter was woken with `cancelled` when the worker stopped
  discarded,    // the worker ended first
  handed_over,  // another worker has it now
  threw,        // it was begun and ended by an exception
  pending,      // not yet done when this report was made; the worker does it once it gets there
  unfinished,   // it was begun, and had not ended when its time was over
};

struct undone {
  std::string kind;  // item, callback, timers, operation, farewell, child, resource
  std::string name;
  detent::priority urgency = priority::normal;  // of an item
  detent::fate fate{};
  std::uint64_t count = 1;  // displaced items and exceptions of one name share an entry; so do names beyond 10,000
};

// Items by what became of them. At any quiet moment accepted = done + threw + displaced + withdrawn + cancelled +
// discarded + handed_over + queued + running.
struct item_counts {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::uint64_t done = 0;
  std::uint64_t threw = 0;
  std::uint64_t displaced = 0;
  std::uint64_t withdrawn = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t discarded = 0;
  std::uint64_t handed_over = 0;
  std::uint64_t queued = 0;
  std::uint64_t running = 0;
};

// A report is a copy: whoever holds it may read it on any thread.
struct worker_report {
  std::string worker;
  bool complete = false;     // every stage is over, the thread has ended
  bool from_worker = false;  // not waited for: asked on the worker's own thread, or on one that it would wait for
  std::array<stage_report, worker_stage_count> stages{};
  item_counts items;
  std::uint64_t late_replies = 0;  // came when `stopped` was, or is, the answer; a task that was dropped has none
  std::vector<undone> undone_list;
  // The worker's timers that nobody had closed before it did, each by its name, or its place, and its state. None in a
  // build without checks: DETENT_CHECKED, no NDEBUG, or a sanitizer makes them.
  std::optional<std::vector<std::string>> timers_left;
  std::vector<worker_report> children;

  // One line for each stage and each thing not done. May throw std::bad_alloc.
  DETENT_EXPORT std::string text() const;
  // The same as JSON. May throw std::bad_alloc.
  DETENT_EXPORT std::string json() const;
};

DETENT_EXPORT const char* to_string(priority) noexcept;
DETENT_EXPORT const char* to_string(worker_stage) noexcept;
DETENT_EXPORT const char* to_string(stage_state) noexcept;
DETENT_EXPORT const char* to_string(fate) noexcept;

DETENT_END_NAMESPACE
