// shutdown_plan: how a whole program ends. Its parts say whom they use, and the order of their stops follows from it.
#pragma once

#include <detent/detail/callback.hpp>
#include <detent/observe.hpp>
#include <detent/service.hpp>
#include <detent/time.hpp>
#include <detent/version.hpp>
#include <detent/worker.hpp>
#include <detent/worker_report.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

DETENT_BEGIN_NAMESPACE

namespace detail {
class plan_core;
}

enum class declare_result : std::uint8_t {
  declared,
  cyclic,    // refused: the user would be used by what it uses
  unknown,   // refused: no such part
  stopping,  // refused: the plan is being carried out, or has been
};

// Names one part of one plan.
struct plan_part {
  std::size_t index = ~std::size_t{0};
  declare_result outcome = declare_result::unknown;  // `declared`, or `stopping`: then it is no part
};

struct declare_answer {
  declare_result outcome{};
  std::vector<std::string> path;  // of a cycle: the names on it, the first one again at the end
};

// What became of a part.
enum class part_state : std::uint8_t {
  not_begun,
  finished,   // everything it had was done
  cancelled,  // it ended in time, and its report tells what it did not do
  abandoned,  // it had not ended when its time was over
};

struct part_report {
  std::string name;
  part_state state = part_state::not_begun;
  std::size_t turn = 0;  // parts of one turn stop side by side
  duration limit{0};
  duration took{0};
  std::optional<worker_report> worker;
  std::optional<shutdown_report> service;
  std::string error;  // what a function let out; or that a worker was destroyed before its turn
};

struct plan_report {
  bool complete = false;        // every part has ended
  bool partial = false;         // memory was short: names, errors, parts' reports or lists of what is left are missing
  std::size_t stops_asked = 0;  // signals and calls of stop()
  duration limit{0};
  duration took{0};
  std::vector<part_report> parts;  // in the order in which they stopped
  // What the process has that it had not when the plan was made: threads as "id name", descriptors as "number target".
  std::vector<std::string> threads_left;
  std::vector<std::string> files_left;
  // The same of memory that nothing leads to, as the leak sanitizer tells it, a paragraph for each place of allocation.
  // None in a program that was built without it; an empty list where it was switched off.
  std::optional<std::vector<std::string>> memory_left;

  DETENT_EXPORT std::string text() const;
  DETENT_EXPORT std::string json() const;
};

// The time that a function of a plan has.
//
//   Blocks:      nothing here blocks.
//   Threads:     any, while the function runs.
class DETENT_EXPORT plan_time {
 public:
  plan_time(const plan_time&) = delete;
  plan_time& operator=(const plan_time&) = delete;
  // What is left of it by now; 0 when it is over, half of the largest duration where there is no limit.
  duration left() const noexcept;
  // Calls `f` once when a further signal, or stop(), has shortened the time, on the thread that asks, or here if that
  // has happened: to wake whatever the function waits in. `f` does not block. It is not called after the function has
  // returned, which waits for it if it runs.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
  void on_shortened(F&& f) {
    set_hook(detail::hook<void()>(std::forward<F>(f)));
  }

 private:
  friend class detail::plan_core;
  plan_time(detail::plan_core& core, std::size_t index) noexcept : core_(&core), index_(index) {}
  void set_hook(detail::hook<void()> f);
  detail::plan_core* core_;
  std::size_t index_;
};

struct plan_options {
  std::string name = "program";
  duration after_second_signal = std::chrono::seconds(1);  // what a second request leaves of the time
};

// Workers, timer services and functions, and who posts to whom. A part stops before the parts it uses: a queue that
// others post to empties after all of them have ended. Parts of one turn stop side by side; each turn gets an equal
// share of the time that is left, also when a second signal has shortened that. A worker may be destroyed at any time:
// before its turn, that is an error of its part. Services, and what functions use, outlive the plan's shutdown; where a
// part was abandoned, which its report says, they outlive the plan itself.
//
//   Verbs                   block   threads   errors
//   add, uses               never   any       the answer; std::bad_alloc
//   stop, ready             never   any       none
//   wait                    yes     any       none
//   shutdown                yes     any       none; once, later callers wait for the first and get its report
//   list_left, turns        never   any       std::bad_alloc
//   feed_watchdog           never   any       the answer; std::bad_alloc
//   constructor             never   any       std::bad_alloc
//   take_signals            never   the main thread, before any other is started; std::system_error, std::bad_alloc
//   destructor              yes     exclusive: joins the threads of functions that were abandoned
//
//   Functions run each on a thread of the plan, with no lock held. Where the system has no thread for them, they run one
//   after the other in the caller of shutdown, which one that blocks then holds up, each with what its turn has left.
class DETENT_EXPORT shutdown_plan {
 public:
  explicit shutdown_plan(plan_options options = {});
  shutdown_plan(const shutdown_plan&) = delete;
  shutdown_plan& operator=(const shutdown_plan&) = delete;
  ~shutdown_plan();

  plan_part add(worker& part);
  plan_part add(timer_service& part, std::string name);
  // `end` gets the time it has, and answers whether everything was done. One that takes `plan_time&` can be told that a
  // second signal has shortened it.
  template <class F>
    requires std::is_invocable_r_v<bool, std::decay_t<F>&, duration>
  plan_part add(std::string name, F&& end) {
    return add(std::move(name),
               [f = std::decay_t<F>(std::forward<F>(end))](plan_time& time) mutable -> bool { return f(time.left()); });
  }
  template <class F>
    requires std::is_invocable_r_v<bool, std::decay_t<F>&, plan_time&>
  plan_part add(std::string name, F&& end) {
    return add_function(std::move(name), detail::hook<bool(plan_time&)>(std::forward<F>(end)));
  }
  declare_answer uses(plan_part user, plan_part used);
  // The names in the order of their stops, one list for each turn.
  std::vector<std::vector<std::string>> turns() const;

  // Blocks these signals in the calling thread, and so in those that it starts, and takes them on a thread of the plan:
  // the first is stop(), a further one shortens. Without a list SIGTERM, SIGINT and SIGHUP. Where one comes when the
  // plan has been carried out, the program has `after_second_signal` to end; then the report goes to stderr, and the
  // signal does what it does without a plan. The destructor unblocks them, in its thread.
  void take_signals(std::vector<int> signals = {});
  // Asks `wait` to return; during a shutdown, leaves it `after_second_signal`. Where it was asked for twice before,
  // that is all the time it has from its start.
  void stop() noexcept;
  // Until stop() or a signal has asked for the end. Answers the signal, or 0.
  int wait();
  // Carries the plan out within `limit`.
  plan_report shutdown(duration limit);
  // Lists anew in `to` what is left. What was a part has its threads and descriptors until it is destroyed: a service
  // its driver, a loop its descriptors. After that there should be none. Looking for memory stops every thread of the
  // program for some milliseconds.
  void list_left(plan_report& to) const;

  // For systemd; without NOTIFY_SOCKET in the environment nothing happens. shutdown() says STOPPING=1 and asks for more
  // time at each turn by itself.
  void ready() noexcept;
  // Sends WATCHDOG=1 twice in each WATCHDOG_USEC, from a timer of `service`, and from the shutdown beside it, until the
  // plan has been carried out. Answers whether a watchdog was asked for, of this process.
  bool feed_watchdog(timer_service& service);

 private:
  plan_part add_function(std::string name, detail::hook<bool(plan_time&)> end);
  std::unique_ptr<detail::plan_core> core_;
};

DETENT_EXPORT const char* to_string(declare_result) noexcept;
DETENT_EXPORT const char* to_string(part_state) noexcept;

DETENT_END_NAMESPACE
