// worker: a thread with a bounded, prioritised input queue that cleans up in stages when it is told to stop.
#pragma once

#include <detent/detail/call_site.hpp>
#include <detent/detail/callback.hpp>
#include <detent/group.hpp>
#include <detent/outcome.hpp>
#include <detent/service.hpp>
#include <detent/time.hpp>
#include <detent/version.hpp>
#include <detent/worker_report.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

DETENT_BEGIN_NAMESPACE

class publication_base;
class shutdown_plan;
class work;
class worker;

// What posting to a full queue does.
enum class when_full : std::uint8_t {
  block,        // the poster waits for room; on the worker's own thread it is refused instead
  refuse,       // the poster is told `full`
  drop_lowest,  // the last item of the lowest priority goes, if that is below the new one's; else the new one is
                // refused
};

// What becomes of the queue when the worker stops.
enum class queue_end : std::uint8_t {
  drain,      // run until the stage's deadline; what is left then is discarded and listed
  hand_over,  // `heir` gets it from the worker's own thread, however late; what it refuses is discarded and listed
  discard,    // all of it is discarded and listed
};

// What the worker's own tasks may still post while the queue is drained.
enum class late_posts : std::uint8_t { refused, accepted_while_draining };

enum class post_result : std::uint8_t {
  accepted,
  displaced,  // accepted, in the place of an item of a lower priority
  full,       // refused
  stopping,   // refused: the worker was told to stop, or has ended
};

// How a call from another thread ended.
enum class call_result : std::uint8_t {
  done,
  threw,
  full,         // refused
  stopping,     // refused
  cancelled,    // it never ran and never will
  running,      // it was begun, and is not over at the limit or at the worker's end; it may still use what it captured
  timed_out,    // the limit passed first; it never ran and never will
  from_worker,  // refused: the wait would be for the thread it was made on, directly or through other workers
};

// Why an expected callback was called.
enum class reply_result : std::uint8_t {
  answered,
  failed,     // the other worker's task threw
  cancelled,  // the other worker did not do it
  stopped,    // this worker stops; no reply comes any more
};

struct post_options {
  priority urgency = priority::normal;
  std::string_view name{};  // copied; without one the place of posting names the item
};

// A queued item as `peek` and `remove` see it.
struct item_info {
  std::uint64_t id = 0;
  std::string name;
  priority urgency = priority::normal;
};

// How long each stage may take. What a stage does not need is not passed on to the others; their sum limits the whole,
// which has no limit where one of them is duration::max().
struct stage_limits {
  duration current_task = std::chrono::seconds(2);
  duration callbacks = std::chrono::seconds(1);
  duration io = std::chrono::seconds(1);
  duration queue = std::chrono::seconds(2);
  duration farewells = std::chrono::seconds(1);
  duration children = std::chrono::seconds(3);
  duration resources = std::chrono::seconds(1);
};

struct worker_options {
  std::string name = "worker";  // the thread's name, too: the OS shows 15 characters of it
  std::size_t queue_limit = 1024;
  detent::when_full when_full = detent::when_full::block;
  detent::queue_end at_end = queue_end::drain;
  worker* heir = nullptr;  // for `hand_over`; it outlives this worker's stop
  detent::late_posts late = late_posts::refused;
  stage_limits limits{};
  std::size_t stack_bytes = 0;  // 0: what the OS gives
  // What user code let out; on the thread it ran on, so that two calls may overlap. Default: count and list.
  detail::hook<void(const std::string& what, std::exception_ptr)> on_error{};
};

namespace detail {

class worker_core;

struct call_state;   // who waits for an item
struct reply_state;  // who expects a callback
struct operation_state;

// What few items have.
struct job_terms {
  std::string name;
  std::shared_ptr<call_state> caller;
  std::shared_ptr<reply_state> request;  // of the worker that asked
};

// One queued item. Its links belong to the queue's lock; run and the destructor happen on one thread with no lock held.
struct job {
  // The memory of items goes round in the worker `to`. What is aligned more than usual is left to the allocator.
  DETENT_EXPORT static void* operator new(std::size_t size, worker_core& to);
  DETENT_EXPORT static void* operator new(std::size_t size, std::align_val_t alignment, worker_core& to);
  DETENT_EXPORT static void operator delete(void* memory, std::size_t size) noexcept;
  DETENT_EXPORT static void operator delete(void* memory, std::size_t size, std::align_val_t alignment) noexcept;
  // The construction of the task threw.
  static void operator delete(void* memory, worker_core&) noexcept { ::operator delete(memory); }
  static void operator delete(void* memory, std::align_val_t alignment, worker_core&) noexcept {
    ::operator delete(memory, alignment);
  }

  virtual ~job() = default;
  virtual void run(work& now) = 0;
  virtual bool is_wanted() noexcept { return true; }
  // Somebody is to be told of its end.
  bool is_awaited() const noexcept {
    return terms != nullptr && (terms->caller != nullptr || terms->request != nullptr);
  }
  job_terms& with_terms() {
    if (terms == nullptr) terms = std::make_unique<job_terms>();
    return *terms;
  }
  call_state* caller() const noexcept { return terms == nullptr ? nullptr : terms->caller.get(); }

  job* next = nullptr;
  job* before = nullptr;
  std::uint64_t id = 0;
  std::source_location place{};
  std::unique_ptr<job_terms> terms;
  priority urgency = priority::normal;
  bool agreed = false;  // it takes `work&`: it may be told to end early
};

template <class F>
inline constexpr bool takes_work = std::is_invocable_v<F&, work&>;

template <class F>
concept worker_task = takes_work<F> || std::is_invocable_v<F&>;

template <class F>
decltype(auto) run_task(F& f, work& now) {
  if constexpr (takes_work<F>) {
    return f(now);
  } else {
    return f();
  }
}

template <class F>
struct job_of final : job {
  template <class Source>
  explicit job_of(Source&& f) : function(std::forward<Source>(f)) {
    agreed = takes_work<F>;
  }
  void run(work& now) override { static_cast<void>(run_task(function, now)); }
  F function;
};

// Something a worker releases in the stage `resources`.
struct owned {
  virtual ~owned() = default;
  virtual void clean_up() {}
  std::string name;
};

template <class T>
struct owned_value final : owned {
  explicit owned_value(T&& v) : value(std::move(v)) {}
  T value;
};

template <class F>
struct owned_function final : owned {
  explicit owned_function(F&& f) : function(std::move(f)) {}
  void clean_up() override { function(); }
  F function;
};

DETENT_EXPORT bool is_open(const std::shared_ptr<reply_state>& state) noexcept;
DETENT_EXPORT bool complete(const std::shared_ptr<reply_state>& state, reply_result result) noexcept;

}  // namespace detail

// The task in progress, as it sees itself. A task that takes `work&` has agreed to be told to end early.
//
//   Blocks:      nothing here blocks.
//   Threads:     the worker's thread; `stop_requested` any, while the task runs.
class DETENT_EXPORT work {
 public:
  work(const work&) = delete;
  work& operator=(const work&) = delete;
  // Told when the worker stops, and to drained tasks when the time for draining is over.
  bool stop_requested() const noexcept;
  // Calls `f` once when this task is asked to stop, on the thread that asks: to write to an eventfd, say. `f` does not
  // block. It is not called after the task has returned, which waits for it if it runs.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
  void on_stop(F&& f) {
    set_hook(detail::hook<void()>(std::forward<F>(f)));
  }

 private:
  friend class detail::worker_core;
  explicit work(detail::worker_core& core) noexcept : core_(&core) {}
  void set_hook(detail::hook<void()> f);
  detail::worker_core* core_;
};

// A callback that somebody else is to cause. The function given to `expect` is called exactly once on the worker's
// thread, unless this object is destroyed first: then it is destroyed uncalled. Where the worker has ended it is called
// with `stopped` inside `expect`; what it lets out goes to `on_error` there, too.
//
//   Threads:     `complete` any; moving and destroying need exclusive access.
//   Blocks:      the destructor waits for the function if the worker's thread is inside. Where that waits for the very
//                task or callback that destroys it, whoever comes last is told, as in G08.
class DETENT_EXPORT expectation {
 public:
  expectation() noexcept = default;
  expectation(expectation&&) noexcept = default;
  expectation& operator=(expectation&& other) noexcept;
  ~expectation();
  // Has the function called with `answered`. A completion that comes when the worker stops is dropped and counted: the
  // function hears `stopped`.
  void complete() noexcept;

 private:
  friend class worker;
  explicit expectation(std::shared_ptr<detail::reply_state> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::reply_state> state_;
};

// Input or output in flight. Its cancel function is called at most once, in the stage `io` or at once when that stage
// is over; destroying this object says that the operation has ended.
//
//   Blocks:      the destructor waits for its cancel function if another thread is inside; in a cycle as in G08.
//   Threads:     moving and destroying need exclusive access.
class DETENT_EXPORT operation {
 public:
  operation() noexcept = default;
  operation(operation&&) noexcept = default;
  operation& operator=(operation&& other) noexcept;
  ~operation();

 private:
  friend class worker;
  explicit operation(std::shared_ptr<detail::operation_state> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::operation_state> state_;
};

// A named thread with its input queue, timers, children, waiters and resources. It stops in the stages of
// `worker_stage`, each within its limit, and reports everything that was not done.
//
//   Verbs                     block              threads   on the worker's thread             errors
//   post, ask                 `when_full::block` any       a full queue refuses               the result; std::bad_alloc
//   call_and_wait…            yes                any       `from_worker`                      the result; std::bad_alloc
//   peek, remove, size, …     never              any       legal                              std::bad_alloc
//   own, on_…, expect,        never              any       legal                              std::bad_alloc
//   in_flight
//   start                     never              any       nothing happens                    throws, or error_code
//   stop                      never              any       legal                              the result
//   shutdown                  yes                any       legal, does not wait; nor in a     the report
//                                                          callback of its timers
//   destructor                yes                exclusive must not                           aborts with a sentence
//
//   User code runs with no lock held, on the worker's thread, but for on_stop functions and for captures of what is
//   discarded while the thread is stuck: those run, or are destroyed, on the thread that stops or waits. What comes
//   when the worker has ended is told on the thread that comes with it.
//   Visibility: what happened before a post is visible in its task; what the worker did is visible after a complete
//   shutdown.
class DETENT_EXPORT worker {
 public:
  // Timers of the worker are members of a group of `service`, which outlives the worker; they run on its executor.
  // Posting is legal at once, tasks run from `start` on.
  explicit worker(timer_service& service, worker_options options = {});
  // A child: it is stopped and joined when its parent ends. A child of a worker that stops is stopped from the start.
  worker(worker& parent, timer_service& service, worker_options options = {});
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  // stop(), then waits however long it takes, naming what it waits for every 2 s; on stderr, too, what was discarded
  // and is in no report that was handed out. Requires: not on this worker's thread, nor on one of a child of it, nor in
  // a callback of its own timers.
  ~worker();

  // Starts the thread. A worker that was told to stop, or runs, is left as it is. Throws std::system_error when the OS
  // refuses a thread; the worker may then be started again, or stopped.
  void start();
  void start(std::error_code& error) noexcept;

  template <class F>
    requires detail::worker_task<std::decay_t<F>>
  post_result post(F&& f, const post_options& options = {}, std::source_location place = detail::call_site::current()) {
    return enqueue(make_item<detail::job_of<std::decay_t<F>>>(std::forward<F>(f)), options, place);
  }

  // Posts and waits until the task is over.
  template <class F>
    requires detail::worker_task<std::decay_t<F>>
  call_result call_and_wait(F&& f, const post_options& options = {},
                            std::source_location place = detail::call_site::current()) {
    return call_and_wait_for(duration::max(), std::forward<F>(f), options, place);
  }
  template <class F>
    requires detail::worker_task<std::decay_t<F>>
  call_result call_and_wait_for(duration limit, F&& f, const post_options& options = {},
                                std::source_location place = detail::call_site::current()) {
    return call(make_item<detail::job_of<std::decay_t<F>>>(std::forward<F>(f)), options, place, limit);
  }

  // Has `task` done by `other`, and calls `reply(reply_result, value*)` on this worker exactly once (without a value,
  // `reply(reply_result)`). When this worker stops, the task is dropped if it was not begun. A refusal by `other` is
  // the answer here, and `reply` is then not called; but where `reply` has heard `stopped` already, that was the
  // answer.
  template <class Task, class Reply>
  post_result ask(worker& other, Task task, Reply reply, const post_options& options = {},
                  std::source_location place = detail::call_site::current());

  // See `expectation`. `f` is called as f(reply_result).
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>&, reply_result>
  expectation expect(F&& f, std::string_view name = {}) {
    return expectation(expect_reply(detail::hook<void(reply_result)>(std::forward<F>(f)), name));
  }

  // The first item that `wanted(item_info)` accepts; the predicate is called with no lock held.
  template <class P>
  std::optional<item_info> peek(P wanted) const {
    for (item_info& item : items()) {
      if (wanted(std::as_const(item))) return std::move(item);
    }
    return std::nullopt;
  }
  std::optional<item_info> peek() const {
    return peek([](const item_info&) { return true; });
  }
  // Takes every item that `wanted` accepts and that has not begun out of the queue. Answers how many.
  template <class P>
  std::size_t remove(P wanted) {
    std::size_t count = 0;
    for (const item_info& item : items()) {
      if (wanted(item)) count += withdraw(item.id);
    }
    return count;
  }
  // What is queued, in the order in which it would run.
  std::vector<item_info> items() const;
  std::size_t size() const noexcept;

  timer_group& timers() noexcept;

  // Keeps `value` until the stage `resources`; the last one owned is released first.
  template <class T>
  T& own(T value, std::string_view name = {}) {
    auto kept = std::make_unique<detail::owned_value<T>>(std::move(value));
    T& place = kept->value;
    keep(std::move(kept), name);
    return place;
  }
  template <class F>
    requires std::is_invocable_v<F&>
  void on_cleanup(F f, std::string_view name = {}) {
    keep(std::make_unique<detail::owned_function<F>>(std::move(f)), name);
  }
  // Says goodbye, flushes, closes: in the order of registration, also when the last task threw. One that comes after
  // the stage `farewells` is listed as discarded.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
  void on_farewell(F&& f, std::string_view name = {}) {
    add_farewell(detail::hook<void()>(std::forward<F>(f)), name);
  }
  // See `operation`. `cancel` does not wait for the end of the operation: it asks for it.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
  operation in_flight(F&& cancel, std::string_view name = {}) {
    return operation(add_operation(detail::hook<void()>(std::forward<F>(cancel)), name));
  }

  // Begins to stop: `asked`, or `idle` if that was begun already. A limit on the whole can only shorten an earlier one.
  stop_result stop(duration limit = duration::max()) noexcept;
  // stop(limit), then waits for the end, or until the limit (by default the sum of the stages' limits). Any thread, any
  // number of times; a stop that comes meanwhile with less time shortens the wait. On the worker's own thread, and on
  // one that it would wait for, it does not wait.
  worker_report shutdown(duration limit = duration::max());
  worker_report report() const;
  const std::string& name() const noexcept;
  // Whether the caller is this worker's thread.
  bool is_current() const noexcept;

 private:
  friend class detail::worker_core;
  friend class publication_base;
  friend class shutdown_plan;
  template <class Item, class... Parts>
  std::unique_ptr<detail::job> make_item(Parts&&... parts) {
    return std::unique_ptr<detail::job>(new (*core_) Item(std::forward<Parts>(parts)...));
  }
  post_result enqueue(std::unique_ptr<detail::job> item, const post_options& options, std::source_location place);
  call_result call(std::unique_ptr<detail::job> item, const post_options& options, std::source_location place,
                   duration limit);
  std::shared_ptr<detail::reply_state> expect_reply(detail::hook<void(reply_result)> f, std::string_view name);
  post_result send(worker& other, std::unique_ptr<detail::job> item, const post_options& options,
                   std::source_location place, std::shared_ptr<detail::reply_state> state);
  std::size_t withdraw(std::uint64_t id);
  void keep(std::unique_ptr<detail::owned> resource, std::string_view name);
  void add_farewell(detail::hook<void()> f, std::string_view name);
  std::shared_ptr<detail::operation_state> add_operation(detail::hook<void()> cancel, std::string_view name);
  std::shared_ptr<detail::worker_core> core_;
};

namespace detail {

// The task of a request: it leaves its value where the reply finds it. The asker's lock, taken by `complete`, makes the
// value visible there.
template <class Task, class Value>
struct request_job final : job {
  request_job(Task&& t, std::shared_ptr<std::optional<Value>> to) : task(std::move(t)), box(std::move(to)) {
    agreed = takes_work<Task>;
  }
  bool is_wanted() noexcept override { return is_open(terms->request); }
  void run(work& now) override { box->emplace(run_task(task, now)); }
  Task task;
  std::shared_ptr<std::optional<Value>> box;
};

template <class Task>
struct request_job<Task, void> final : job {
  explicit request_job(Task&& t) : task(std::move(t)) { agreed = takes_work<Task>; }
  bool is_wanted() noexcept override { return is_open(terms->request); }
  void run(work& now) override { run_task(task, now); }
  Task task;
};

}  // namespace detail

template <class Task, class Reply>
post_result worker::ask(worker& other, Task task, Reply reply, const post_options& options,
                        std::source_location place) {
  using value = decltype(detail::run_task(task, std::declval<work&>()));
  if constexpr (std::is_void_v<value>) {
    auto item = other.make_item<detail::request_job<Task, void>>(std::move(task));
    auto state = expect_reply(detail::hook<void(reply_result)>(std::move(reply)), options.name);
    return send(other, std::move(item), options, place, std::move(state));
  } else {
    auto box = std::make_shared<std::optional<value>>();
    auto item = other.make_item<detail::request_job<Task, value>>(std::move(task), box);
    auto deliver = [box, reply = std::move(reply)](reply_result result) mutable {
      reply(result, result == reply_result::answered ? &**box : nullptr);
    };
    auto state = expect_reply(detail::hook<void(reply_result)>(std::move(deliver)), options.name);
    return send(other, std::move(item), options, place, std::move(state));
  }
}

DETENT_EXPORT const char* to_string(post_result) noexcept;
DETENT_EXPORT const char* to_string(call_result) noexcept;
DETENT_EXPORT const char* to_string(reply_result) noexcept;

DETENT_END_NAMESPACE
