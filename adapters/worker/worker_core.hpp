// worker_core: what a worker is behind its face. One lock guards everything that says so; user code never runs under
// it.
//
// Threads: posters and waiters on any thread; the worker's own thread runs tasks and, in the end, the stages. Stage
// deadlines are kept by the worker between two pieces of user code, and by whoever waits for it while it is inside one.
//
// FOUR WORDS are touched without the lock, each with a protocol of its own. All other changes of them are under it, so
// that at most one thread makes those at a time.
//
// TRANSITIONS of `begun_`: how far the worker's thread is in the batch that it runs without the lock.
//  J1 begin     worker's thread   place 0: the first item. Under the lock     relaxed   J3, by the lock
//  J2 step      worker's thread   its place -> the other one, or it fails     release   J3: what was done, the place
//  J3 recall    anyone            none: the batch is over. Under the lock     acquire   J2
// The places take turns: the one that `begun_` names is not written, and may be read by whoever recalled it.
//
// TRANSITIONS of the wait words `call_state::over`, `reply_state::calls_over`, `operation_state::over`, `room_made_`:
// what a wait_mark stands for.
//  Z1 answer    who settles, or   + 1, after the result or the call. Under    release   Z3: the result
//               whose call ended  the lock
//  Z2 room      who makes room    room_made + 1. Under the lock               release   Z3
//  Z3 look      who waits, and    load; no mark stands whose word has moved   acquire   Z1 Z2
//               whoever asks who waits for whom
//
// TRANSITIONS of `asked_`: whether the task in progress was told to end.
//  C1 forget    worker's thread   false, before an item begins. Under the lock  relaxed   C2, by the lock
//  C2 ask       who stops         true, for a task that agreed. Under the lock  release   C3: what it did before
//  C3 is asked  the task          load                                          acquire   C2
//
// TRANSITIONS of `spare_`: a block for the next who posts.
//  F1 lay out   a poster          none -> a block. Under the lock             release   F2: the block's last use
//  F2 take      a poster          whatever it is -> none                      acquire   F1
//
// RACES, each with its test in tests/conformance/worker and its steps in model/worker.pml.
//  R-RECALL   the step to the next item against a recall. J2 or J3 replaces the place; a J2 that comes late fails, and
//             what it would have begun is in the queue again.
//  R-ANSWER   the answer to a wait against the walk for cycles. Z1 is before whatever is done because of the answer, so
//             that a walk made there finds the wait over.
//  R-ROOM     a caller that waits for room against the stop that refuses it. It is room that it waits for until its item
//             is in the queue; its mark for the answer is made in the same step.
//  R-FORGET   a subscription's or an expectation's end against the call of its function. Z1 is after the call and before
//             its thread can wait for anything else; whichever of the two waits comes last finds the other.
//  R-SPARE    two posters and one block. F2 replaces the block: one of them has it.
#pragma once

#include <detent/detail/series_place.hpp>
#include <detent/detail/wait_graph.hpp>
#include <detent/worker.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <pthread.h>
#include <set>
#include <thread>
#include <tuple>

DETENT_BEGIN_NAMESPACE
namespace detail {

using instant = steady_clock::time_point;

// `from` plus `limit`, saturating.
inline instant deadline_after(instant from, duration limit) noexcept {
  return instant(duration(add_ns(epoch_ns(from), limit.count())));
}

// How long it is from `from` until `to`, saturating; nothing if that has passed.
inline duration left_until(instant to, instant from) noexcept {
  return std::max(duration(0), duration(subtract_ns(epoch_ns(to), epoch_ns(from))));
}

// Moves on when those who wait by it have their answer, though they may not have woken yet. Written under the lock of
// the worker they wait for; read without it by whoever asks who waits for whom.
using wait_word = std::atomic<std::uint64_t>;

struct call_state {
  // Under the lock of the worker called. Neither queued nor begun: somebody has taken the item out and is about to say
  // what became of it.
  bool begun = false;
  bool in_own_timer = false;  // in a callback of the worker's timers, which the worker waits for when it ends
  wait_word over{0};          // Z: 1 once the result is there
  call_result result = call_result::done;
};

struct reply_state {
  std::weak_ptr<worker_core> asker;
  std::weak_ptr<worker_core> asked;  // of a request: whose queue it is in, or was. Under the asker's lock
  std::string name;
  hook<void(reply_result)> deliver;  // of who took the state out of the asker's lists
  // Under the asker's lock.
  // `telling`: a subscription's function is called with a value; it is expected still.
  enum : std::uint8_t { expected, telling, completed, delivering, over } stage = expected;
  reply_result result = reply_result::answered;
  bool forgotten = false;  // its owner waits for the call in progress, or did: there is no further one
  std::uint8_t depth = 0;  // how many calls that heard `stopped` it was expected in, one inside the other
  bool abandoned = false;  // its owner could not wait: who makes the call takes it out of the list
  std::thread::id deliverer{};
  wait_word calls_over{0};             // Z: moves on with the end of each call
  std::optional<outside_call> call{};  // of the deliverer: the call in progress, in its thread's list
  std::list<std::shared_ptr<reply_state>>::iterator place{};
};

struct operation_state {
  std::weak_ptr<worker_core> owner;
  std::string name;
  hook<void()> cancel;
  // Under the owner's lock.
  bool ended = false;
  bool cancelled = false;
  bool cancelling = false;  // its cancel function runs on `canceller`
  std::thread::id canceller{};
  wait_word over{0};  // Z: 1 once that function has returned
};

// Items of one priority, linked in their order.
struct taken_items {
  job* first = nullptr;
  job* last = nullptr;
  std::size_t count = 0;
};

// One intrusive list for each priority.
class item_queue {
 public:
  void push(job* item) noexcept;
  job* pop() noexcept;
  // All of the highest priority that there is, as a list of its own.
  taken_items pop_level() noexcept;
  // Puts what is left of such a list back to where it was.
  void put_back(taken_items rest) noexcept;
  // The last item of the lowest priority below `urgency`, or null.
  job* pop_below(priority urgency) noexcept;
  void unlink(job* item) noexcept;
  template <class F>
  void each(F f) const {
    for (std::size_t index = priority_count; index-- > 0;) {
      for (job *item = levels_[index].first, *next = nullptr; item != nullptr; item = next) {
        next = item->next;  // `f` may take the item out.
        f(*item);
      }
    }
  }
  std::size_t size() const noexcept { return size_; }

 private:
  std::array<taken_items, priority_count> levels_{};
  std::size_t size_ = 0;
};

// Memory of items that are gone, for those to come: an item is made by one thread and ends on another, which is the
// slowest way through an allocator.
class block_list {
 public:
  block_list() noexcept = default;
  block_list(const block_list&) = delete;
  block_list& operator=(const block_list&) = delete;
  ~block_list();
  void push(void* memory) noexcept;
  void* pop() noexcept;
  void take(block_list& other) noexcept;
  std::size_t count() const noexcept { return count_; }

 private:
  struct block {
    block* next;
  };
  block* first_ = nullptr;
  block* last_ = nullptr;  // unless empty
  std::size_t count_ = 0;
};

inline constexpr std::size_t block_bytes = 96;  // an item with a task of up to five pointers
#if defined(__has_feature)
inline constexpr bool has_address_sanitizer = __has_feature(address_sanitizer);
inline constexpr bool has_thread_sanitizer = __has_feature(thread_sanitizer);
#else
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool has_address_sanitizer = true;
#else
inline constexpr bool has_address_sanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__)
inline constexpr bool has_thread_sanitizer = true;
#else
inline constexpr bool has_thread_sanitizer = false;
#endif
#endif
// How many a worker keeps. None where a sanitizer is to notice who uses the captures of a task that is gone.
inline constexpr std::size_t most_blocks = has_address_sanitizer ? 0 : 4096;
// What costs as much as the service has timers is done in checked builds only.
#if defined(DETENT_CHECKED) || !defined(NDEBUG)
inline constexpr bool is_checked = true;
#else
inline constexpr bool is_checked = has_address_sanitizer || has_thread_sanitizer;
#endif

// The item's name, or the place where it was posted.
std::string name_of(const job& item);

// A call outside the engine as who waits for it sees it: over when its word, if it has one, has moved on. Who has given
// an answer may act on it at once: the wait that it ended counts no more, whether its thread has woken or not.
struct awaited_call {
  awaited_call(const void* which, const wait_word* moves) noexcept
      : call(which), word(moves), seen(moves == nullptr ? 0 : moves->load(std::memory_order_acquire)) {}      // Z3
  bool is_over() const noexcept { return word != nullptr && word->load(std::memory_order_acquire) != seen; }  // Z3
  wait_target target() const noexcept {
    return {[](const void* self, const call_key& other) noexcept {
              return other.of == static_cast<const awaited_call*>(self)->call;
            },
            [](const void* self) noexcept { return static_cast<const awaited_call*>(self)->is_over(); }, this};
  }
  const void* const call;
  const wait_word* const word;
  const std::uint64_t seen;
};

// Says that the calling thread waits for such a call, for as long as the mark lives. On a thread that makes no call it
// says nothing and always holds. Locks may be held.
class wait_mark {
 public:
  explicit wait_mark(const void* call, const wait_word* word = nullptr) noexcept
      : on_(call, word), entered_(on_.target(), nullptr) {}
  wait_mark(const wait_mark&) = delete;
  wait_mark& operator=(const wait_mark&) = delete;
  // False: the wait would close a cycle.
  bool holds() const noexcept { return !entered_.is_refused(); }

 private:
  const awaited_call on_;
  const registered_wait entered_;
};

class worker_core : public std::enable_shared_from_this<worker_core> {
 public:
  using guard = std::unique_lock<std::mutex>;

  worker_core(timer_service& service, worker_options options, std::shared_ptr<worker_core> parent);
  ~worker_core();

  std::error_code start() noexcept;
  // `call_mark` gets the mark of who waits for the item; where that does not hold, the item is refused.
  post_result enqueue(std::unique_ptr<job>& item, const post_options& options, std::source_location place,
                      instant limit, std::optional<wait_mark>* call_mark = nullptr);
  call_result call(std::unique_ptr<job> item, const post_options& options, std::source_location place, duration limit);
  std::shared_ptr<reply_state> expect(hook<void(reply_result)> f, std::string_view name);
  // Whether it was taken back before its last word was told: its callable is the caller's then.
  bool forget(const std::shared_ptr<reply_state>& state) noexcept;
  bool complete(reply_state& state, reply_result result) noexcept;
  bool is_awaited(const reply_state& state) noexcept;
  // Of a subscription, see publication.hpp.
  bool takes_notice(const reply_state& state) noexcept;
  bool begin_notice(reply_state& state) noexcept;
  void end_notice(reply_state& state) noexcept;
  std::size_t withdraw(std::uint64_t id);
  // The requests of a worker that stops: they leave the queue, where they have a place, and their captures end.
  void withdraw_requests(const worker_core& of) noexcept;
  void note_asked(reply_state& state, const std::shared_ptr<worker_core>& other) noexcept;
  template <class P>
  std::unique_ptr<job> take_withdrawn(P wanted);  // under the lock
  std::vector<item_info> items();
  std::size_t size() noexcept;
  void keep(std::unique_ptr<owned> resource, std::string_view name);
  void add_farewell(hook<void()> f, std::string_view name);
  std::shared_ptr<operation_state> add_operation(hook<void()> cancel, std::string_view name);
  void end_operation(operation_state& operation) noexcept;
  void set_hook(hook<void()> f);
  // Memory for an item to be posted here, or null. Any thread.
  void* take_block() noexcept;
  // Whether the memory of an item that has ended is kept. The worker's thread.
  bool keep_block(void* memory) noexcept;
  bool is_asked() const noexcept { return asked_.load(std::memory_order_acquire); }  // C3

  bool add_child(const std::shared_ptr<worker_core>& child);
  void remove_child(const worker_core& child) noexcept;

  // `whole` gets the end of the whole as it is then.
  stop_result begin_stop(instant limit, instant* whole = nullptr) noexcept;
  worker_report shutdown(duration limit);
  // Ends everything and returns when the thread has been joined.
  void finish() noexcept;
  worker_report report();
  timer_group& timers() noexcept { return *timers_; }
  const std::string& name() const noexcept { return options_.name; }
  static worker_core* current() noexcept;
  // In a fork child: its thread is in the parent only, and so may be who holds its lock. Nothing of it is touched.
  bool is_gone() const noexcept;
  static std::weak_ptr<worker_core> heir_of(const worker_options& options);
  duration limits_total() const noexcept;

 private:
  struct farewell {
    std::string name;
    hook<void()> function;
  };
  struct child_entry {
    std::weak_ptr<worker_core> core;
    bool asked = false;
    bool joined = false;
  };
  using undone_key = std::tuple<std::string, std::string, priority, fate>;
  static constexpr std::size_t most_undone_names = 10'000;  // what comes behind them shares an entry
  struct undone_times {
    std::uint64_t all = 0;
    std::uint64_t untold = 0;  // in no report that was handed out
  };

  // One item of the batch, as the worker's thread has begun it.
  struct begun_item {
    job* item = nullptr;
    std::size_t before_count = 0;  // how many of the batch it has done before
  };

  static void* thread_main(void* self);
  void work_off();
  void run_batch(guard& locked);
  void run_item(guard& locked, std::unique_ptr<job> item);
  // The task that ran is over; its end is counted, noted, and told.
  void end_item(guard& locked, std::unique_ptr<job> item, fate what);
  // Ends the batch, under the lock: what it has not begun is in the queue again, what it has done is counted, and
  // `current_` is what it is in, which stays until the lock is left. Whoever has to see or change the order of what
  // will run does this first.
  void recall() noexcept;
  void run_reply(guard& locked);
  void run_replies(guard& locked);
  fate run_guarded(job& item);
  void end_current(guard& locked);
  // Tells whoever waits for the item what became of it, after its captures are gone. No lock held.
  void settle(std::unique_ptr<job> item, fate what) noexcept;
  void settle_all(item_queue& items, fate what) noexcept;
  void note(std::string_view kind, std::string_view name, priority urgency, fate what) noexcept;  // under the lock
  void note_item(const job& item, fate what) noexcept;  // under the lock; counts it, too
  void name_doing(std::string_view name) noexcept;      // under the lock
  void count(fate what) noexcept;                       // under the lock
  item_queue take_items(fate what) noexcept;            // under the lock
  // The items that somebody waits for; only those of callers in the worker's own timers, or all. Under the lock.
  item_queue take_called(bool in_own_timers_only) noexcept;
  // For the next who posts. Under the lock.
  void lay_out_block() noexcept;

  void run_stages();
  void enter(guard& locked, worker_stage next);
  void leave_stage(instant now) noexcept;  // under the lock
  bool is_stage_over(instant now) const noexcept { return now >= stage_deadline_; }
  void close_timers(guard& locked);
  // Leaves the lock, and the graph of waits: a callback of theirs may wait for the worker, which answers in the end.
  wait_result await_timers(guard& locked, duration limit) noexcept;
  // Closes them, and in a checked build lists those that were open. Leaves the lock in between.
  void close_and_list_timers(guard& locked) noexcept;
  std::vector<timer_info> open_timers() const;
  void end_callbacks(guard& locked);
  void cancel_waiters(guard& locked);
  // The stage: also the worker's own requests at others are withdrawn.
  void end_waits(guard& locked);
  void cancel_io(guard& locked);
  void end_queue(guard& locked);
  void dispose_queue(guard& locked);
  // Settles what was taken out of the queue, on whatever thread this is. The worker's resources stay until then.
  void dispose(guard& locked, item_queue items, fate what) noexcept;
  bool hands_over() const noexcept { return options_.at_end == queue_end::hand_over; }
  void say_farewells(guard& locked);
  void join_children(guard& locked);
  // Asks every child that was not asked yet.
  void stop_children(guard& locked, instant limit) noexcept;
  void release_resources(guard& locked);
  void release_owned(guard& locked);
  template <class F>
  void call_contained(guard& locked, const char* kind, const std::string& name, F&& function);
  void run_stages_here();
  void contain(const std::string& what) noexcept;

  // Waits for the end, looking after overdue stages meanwhile; true when the thread has been joined.
  // A stop that comes meanwhile shortens the wait if it leaves less than `whole`, what the caller's own stop left.
  bool await_end(guard& locked, instant limit, instant whole);
  // Marks what is overdue and does for the worker what needs no thread of it. Leaves the lock in between.
  void look_after(guard& locked);
  instant next_look() const noexcept;
  void ask_current(guard& locked);
  // There is room in the queue, or there will never be any: who waits for it looks again. Under the lock.
  void wake_posters() noexcept;
  // Whether the calling thread is this worker's, that of a child's child of it, or in a callback of its timers.
  bool is_within();
  bool is_in_own_timer() noexcept;
  worker_report report_locked();  // under the lock
  worker_report hand_out();       // the same, for somebody to read
  // On stderr, under the lock: what was discarded and no report has told.
  void tell_what_was_lost() noexcept;
  void list_pending(worker_report& to) const;  // under the lock
  std::string culprit() const;                 // under the lock

  const worker_options options_;
  const unsigned forks_;  // of the process, when this was made
  const std::weak_ptr<worker_core> parent_;
  const std::weak_ptr<worker_core> heir_;
  timer_service& service_;  // looked at before the stage `waiters` only: the core may be held for longer than it lives
  std::optional<timer_group>
      timers_;  // ends with the worker: others may hold the core for longer than the service lives

  std::mutex lock_;
  std::condition_variable work_ready_;  // the worker's thread sleeps here, nobody else
  std::condition_variable changed_;     // everybody else

  // All of this under the lock.
  item_queue queue_;
  taken_items batch_;  // what the worker's thread runs without the lock, until it is recalled
  block_list blocks_;
  bool sleeping_ = false;  // nobody has woken the worker's thread yet
  std::size_t blocked_posters_ = 0;
  std::size_t disposing_ = 0;  // how many threads destroy captures of items, without the lock
  wait_word room_made_{0};     // Z: moves on when they are woken
  std::uint64_t last_id_ = 0;
  item_counts counts_;
  std::map<undone_key, undone_times> undone_;
  std::uint64_t late_replies_ = 0;
  std::list<std::shared_ptr<reply_state>> expected_;
  // Completed, not yet delivered: they come before new work, and while the worker ends between two pieces of that.
  std::list<std::shared_ptr<reply_state>> replies_;
  std::deque<farewell> farewells_;
  std::vector<std::unique_ptr<owned>> resources_;
  std::vector<std::shared_ptr<operation_state>> operations_;
  std::list<child_entry> children_;
  std::list<worker_report> child_reports_;
  bool children_told_ = true;  // all of these are in a report that was handed out

  bool started_ = false;
  bool created_ = false;
  bool stopping_ = false;
  bool inline_stages_ = false;  // never started: a thread that waits runs the stages
  bool ended_ = false;
  bool joining_ = false;
  bool joined_ = false;
  bool io_over_ = false;
  // Those who had requests of this worker when it stopped. Of the thread that runs the stages.
  std::set<std::weak_ptr<worker_core>, std::owner_less<>> asked_of_;
  bool takes_late_ = true;       // until the queue is disposed of: what its own tasks post while it is drained
  bool effects_taken_ = false;   // what needs no thread of the worker was done for it
  bool closing_timers_ = false;  // ... and somebody is about to close its timers, without the lock
  bool timers_listed_ = false;   // ... or has begun to list them
  std::optional<std::vector<std::string>> timers_left_;
  pthread_t thread_{};

  job* current_ = nullptr;  // what runs now
  std::string doing_;       // in a stage: what is called now
  hook<void()> stop_hook_;
  bool hook_running_ = false;
  std::thread::id hook_thread_{};
  std::atomic<bool> asked_{false};  // C

  instant total_ = instant::max();
  worker_stage stage_ = worker_stage::refuse;
  instant stage_begun_{};
  instant stage_deadline_ = instant::max();
  std::array<stage_report, worker_stage_count> stages_{};

  // Of the worker's thread alone: blocks of items that have ended, and how many may be kept until they join the others;
  // the item just run, whose captures are destroyed when the lock is not held.
  block_list spent_blocks_;
  std::size_t blocks_wanted_ = 0;
  std::unique_ptr<job> spent_;
  // J: the item of the batch that was begun last, or null: the batch was recalled.
  alignas(64) std::atomic<begun_item*> begun_{nullptr};
  std::array<begun_item, 2> places_{};
  // F: a block for whoever posts next.
  alignas(64) std::atomic<void*> spare_{nullptr};
  // Of the thread that runs the worker's code: whatever it does there, but for its wait for the worker's timers.
  std::optional<outside_call> call_;
};

}  // namespace detail
DETENT_END_NAMESPACE
