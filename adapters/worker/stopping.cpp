// stopping: how a worker ends. Its own thread goes through the stages one after the other. Who waits for it looks at
// the deadlines meanwhile, and does in its place what needs no code of the worker's owner.
#include "worker_core.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

DETENT_BEGIN_NAMESPACE
namespace detail {

namespace {

// What the stages without a limit of their own need is bounded by the others.
bool has_limit(worker_stage stage) noexcept {
  return stage != worker_stage::refuse && stage != worker_stage::waiters && stage != worker_stage::join;
}

duration limit_of(const stage_limits& limits, worker_stage stage) noexcept {
  switch (stage) {
    case worker_stage::current_task: return limits.current_task;
    case worker_stage::callbacks: return limits.callbacks;
    case worker_stage::io: return limits.io;
    case worker_stage::queue: return limits.queue;
    case worker_stage::farewells: return limits.farewells;
    case worker_stage::children: return limits.children;
    case worker_stage::resources: return limits.resources;
    default: return duration::max();
  }
}

const char* kind_of(worker_stage stage) noexcept {
  switch (stage) {
    case worker_stage::callbacks: return "callback";
    case worker_stage::io: return "operation";
    case worker_stage::farewells: return "farewell";
    case worker_stage::children: return "child";
    case worker_stage::resources: return "resource";
    default: return "item";
  }
}

std::string shown(const timer_info& timer) {
  const std::string_view path = timer.place.file_name();
  const std::string place = std::string(path.substr(path.rfind('/') + 1)) + ":" + std::to_string(timer.place.line());
  return (timer.name.empty() ? place : timer.name) + ", " + to_string(timer.state);
}

[[noreturn]] void die(const std::string& worker, const char* why) {
  std::fprintf(stderr, "detent: the worker '%s' is destroyed %s: the thread would wait for itself\n", worker.c_str(),
               why);
  std::abort();
}

}  // namespace

duration worker_core::limits_total() const noexcept {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < worker_stage_count; ++i) {
    const auto stage = static_cast<worker_stage>(i);
    if (has_limit(stage)) sum = add_ns(sum, limit_of(options_.limits, stage).count());
  }
  return duration(sum);
}

stop_result worker_core::begin_stop(instant limit, instant* whole) noexcept {
  guard locked(lock_);
  const instant now = steady_clock::now();
  if (stopping_) {
    const bool shorter = limit < total_;
    total_ = std::min(total_, limit);
    if (whole != nullptr) *whole = total_;
    stage_deadline_ = std::min(stage_deadline_, total_);
    changed_.notify_all();
    if (shorter && (effects_taken_ || stage_ >= worker_stage::children)) {
      for (child_entry& c : children_) c.asked = false;  // Again; before their turn they are not asked.
      stop_children(locked, total_);
    }
    return stop_result::idle;
  }
  recall();
  total_ = std::min(limit, deadline_after(now, limits_total()));
  if (whole != nullptr) *whole = total_;
  stopping_ = true;
  wake_posters();
  stage_begun_ = now;
  stages_[0].state = stage_state::running;
  enter(locked, worker_stage::current_task);
  work_ready_.notify_one();
  ask_current(locked);
  return stop_result::asked;
}

void worker_core::leave_stage(instant now) noexcept {
  stage_report& last = stages_[static_cast<std::size_t>(stage_)];
  last.took = now - stage_begun_;
  if (last.state == stage_state::running) last.state = is_stage_over(now) ? stage_state::overdue : stage_state::done;
}

void worker_core::enter(guard&, worker_stage next) {
  const instant now = steady_clock::now();
  leave_stage(now);
  stage_ = next;
  stage_begun_ = now;
  stage_deadline_ = std::min(total_, deadline_after(now, limit_of(options_.limits, next)));
  stage_report& begun = stages_[static_cast<std::size_t>(next)];
  begun.state = stage_state::running;
  begun.limit = stage_deadline_ == instant::max() ? duration::max() : left_until(stage_deadline_, now);
  changed_.notify_all();
}

void worker_core::run_stages() {
  spent_.reset();
  guard locked(lock_);
  const auto go_through = [&](worker_stage stage, void (worker_core::*work)(guard&)) {
    enter(locked, stage);
    (this->*work)(locked);
    run_replies(locked);  // Of those who came after the stage `callbacks`.
  };
  go_through(worker_stage::callbacks, &worker_core::end_callbacks);
  go_through(worker_stage::waiters, &worker_core::end_waits);
  go_through(worker_stage::io, &worker_core::cancel_io);
  go_through(worker_stage::queue, &worker_core::end_queue);
  go_through(worker_stage::farewells, &worker_core::say_farewells);
  go_through(worker_stage::children, &worker_core::join_children);
  go_through(worker_stage::resources, &worker_core::release_resources);
  enter(locked, worker_stage::join);
  ended_ = true;  // Nobody has left the lock since the last reply.
  changed_.notify_all();
}

// Of the worker's group by its name, which others may have: who they belong to shows when the group is closed.
std::vector<timer_info> worker_core::open_timers() const {
  std::vector<timer_info> open;
  if (timers_->size() != 0) open = service_.snapshot();
  std::erase_if(open, [&](const timer_info& timer) {
    return timer.group != options_.name || timer.state == timer_state::closed || timer.state == timer_state::shut_down;
  });
  return open;
}

void worker_core::close_and_list_timers(guard& locked) noexcept {
  const bool lists = is_checked && !std::exchange(timers_listed_, true);
  locked.unlock();
  std::optional<std::vector<std::string>> left;
  try {
    const std::vector<timer_info> open = lists ? open_timers() : std::vector<timer_info>();
    timers_->close();
    if (lists) left.emplace();
    for (const timer_info& timer : open) {
      if (service_.status(timer.id) == timer_state::closed) left->push_back(shown(timer));
    }
  } catch (const std::bad_alloc&) {  // What has a name is listed.
    timers_->close();
  }
  locked.lock();
  if (left) timers_left_ = std::move(left);
}

void worker_core::close_timers(guard& locked) {
  name_doing("timers");
  // Who waits for us may be listing them.
  while (is_checked && closing_timers_ && !is_stage_over(steady_clock::now())) {
    changed_.wait_until(locked, stage_deadline_);
  }
  close_and_list_timers(locked);
  // Their callbacks are waited for, and these wait for the worker: their answer comes before that of the others.
  dispose(locked, take_called(true), fate::cancelled);
  const duration limit = left_until(stage_deadline_, steady_clock::now());
  const wait_result waited = await_timers(locked, limit);
  doing_.clear();
  if (waited != wait_result::quiet) note("timers", to_string(waited), priority::normal, fate::unfinished);
}

wait_result worker_core::await_timers(guard& locked, duration limit) noexcept {
  locked.unlock();
  call_.reset();
  const wait_result waited = timers_->close_and_wait_for(limit);
  call_.emplace(this, options_.name.c_str());
  locked.lock();
  return waited;
}

void worker_core::end_callbacks(guard& locked) {
  close_timers(locked);
  for (;;) {
    if (replies_.empty()) {
      if (expected_.empty()) return;
      const auto first = expected_.begin();
      try {
        // Not held here: the last share of another worker may not end under a lock.
        if (!(*first)->asked.expired()) asked_of_.insert((*first)->asked);
      } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): it is dropped when its turn comes.
      }
      (*first)->stage = reply_state::completed;
      (*first)->result = reply_result::stopped;
      replies_.splice(replies_.end(), expected_, first);
    }
    run_reply(locked);
  }
}

item_queue worker_core::take_called(bool in_own_timers_only) noexcept {
  item_queue taken;
  queue_.each([&](job& item) {
    if (item.caller() == nullptr || (in_own_timers_only && !item.caller()->in_own_timer)) return;
    queue_.unlink(&item);
    taken.push(&item);
    note_item(item, fate::cancelled);
  });
  return taken;
}

item_queue worker_core::take_items(fate what) noexcept {
  item_queue taken = std::exchange(queue_, {});
  taken.each([&](const job& item) { note_item(item, what); });
  return taken;
}

void worker_core::cancel_waiters(guard& locked) { dispose(locked, take_called(false), fate::cancelled); }

void worker_core::end_waits(guard& locked) {
  cancel_waiters(locked);
  locked.unlock();
  for (const auto& other : asked_of_) {
    if (const auto asked = other.lock()) asked->withdraw_requests(*this);
  }
  asked_of_.clear();
  locked.lock();
}

void worker_core::dispose(guard& locked, item_queue items, fate what) noexcept {
  if (items.size() == 0) return;
  ++disposing_;
  locked.unlock();
  settle_all(items, what);
  locked.lock();
  --disposing_;
  changed_.notify_all();
}

template <class F>
void worker_core::call_contained(guard& locked, const char* kind, const std::string& name, F&& function) {
  name_doing(name);
  locked.unlock();
  bool threw = false;
  try {
    function();
  } catch (...) {
    threw = true;
    contain(name);
  }
  locked.lock();
  doing_.clear();
  if (threw) note(kind, name, priority::normal, fate::threw);
}

void worker_core::cancel_io(guard& locked) {
  io_over_ = true;
  for (;;) {
    const auto found = std::find_if(operations_.begin(), operations_.end(),
                                    [](const auto& operation) { return !operation->cancelled; });
    if (found == operations_.end()) break;
    const std::shared_ptr<operation_state> operation = *found;
    operation->cancelled = true;
    operation->cancelling = true;
    operation->canceller = std::this_thread::get_id();
    {
      const outside_call call(operation.get(), operation->name.c_str());
      call_contained(locked, "operation", operation->name, operation->cancel);
      locked.unlock();
      operation->cancel = {};  // Its captures go before whoever ends the operation may go on.
      locked.lock();
    }
    operation->cancelling = false;
    operation->over.store(1, std::memory_order_release);  // Z1
    changed_.notify_all();
  }
  while (!operations_.empty() && !is_stage_over(steady_clock::now())) {
    if (!replies_.empty()) {
      run_reply(locked);
      continue;
    }
    name_doing(operations_.front()->name);
    changed_.wait_until(locked, stage_deadline_);
  }
  doing_.clear();
}

// What a drained task posts, or what its captures do as they end, is drained like the rest as long as there is time.
void worker_core::end_queue(guard& locked) {
  if (options_.at_end == queue_end::drain && !inline_stages_) {
    while (!is_stage_over(steady_clock::now())) {
      run_replies(locked);
      if (job* const next = queue_.pop(); next != nullptr) {
        run_item(locked, std::unique_ptr<job>(next));
      } else if (spent_ != nullptr) {
        locked.unlock();
        spent_.reset();
        locked.lock();
      } else {
        break;
      }
    }
    locked.unlock();
    spent_.reset();
    locked.lock();
  }
  takes_late_ = false;
  dispose_queue(locked);
}

void worker_core::dispose_queue(guard& locked) {
  const auto heir = heir_.lock();
  if (!hands_over() || heir == nullptr || heir.get() == this) {
    dispose(locked, take_items(fate::discarded), fate::discarded);
    return;
  }
  while (job* next = queue_.pop()) {
    std::unique_ptr<job> item(next);
    const priority urgency = item->urgency;
    std::string shown;
    try {
      shown = name_of(*item);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): it stays unnamed.
    }
    name_doing(shown);
    ++counts_.running;  // Until it is known what became of it.
    locked.unlock();
    try {
      const std::string name = item->terms == nullptr ? std::string() : item->terms->name;
      // Never waits for room there.
      heir->enqueue(item, {.urgency = urgency, .name = name}, std::source_location(item->place), instant::min());
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): then it is discarded.
    }
    const fate what = item == nullptr ? fate::handed_over : fate::discarded;
    if (item != nullptr) settle(std::move(item), what);
    locked.lock();
    doing_.clear();
    --counts_.running;
    count(what);
    note("item", shown, urgency, what);
  }
}

void worker_core::say_farewells(guard& locked) {
  while (!farewells_.empty()) {
    farewell next = std::move(farewells_.front());
    farewells_.pop_front();
    if (is_stage_over(steady_clock::now())) {
      note("farewell", next.name, priority::normal, fate::discarded);
    } else {
      call_contained(locked, "farewell", next.name, next.function);
    }
    locked.unlock();
    next.function = {};
    locked.lock();
  }
}

// One at a time, looked for anew: a child may end and leave the list whenever the lock is left, and a later stop may
// have left less time.
void worker_core::stop_children(guard& locked, instant limit) noexcept {
  for (;;) {
    const auto next = std::find_if(children_.begin(), children_.end(), [](const child_entry& c) { return !c.asked; });
    if (next == children_.end()) return;
    next->asked = true;
    auto child = next->core.lock();
    const instant now_limit = std::min(limit, total_);
    locked.unlock();
    if (child != nullptr) child->begin_stop(now_limit);
    child.reset();
    locked.lock();
  }
}

// Asks all children first, so that they end side by side. A child that is late is waited for, however long it takes:
// it may use what this worker is about to release. So it is if it waits for us itself, as far as the graph knows: the
// mark is tried again until that wait has ended.
void worker_core::join_children(guard& locked) {
  for (child_entry& c : children_) c.asked = false;  // Again, with what is left for this stage.
  stop_children(locked, stage_deadline_);
  for (;;) {
    const auto next = std::find_if(children_.begin(), children_.end(), [](const child_entry& c) { return !c.joined; });
    if (next == children_.end()) return;
    next->joined = true;
    auto child = next->core.lock();
    if (child == nullptr) continue;
    name_doing(child->name());
    locked.unlock();
    guard there(child->lock_);
    for (bool ended = false; !ended;) {
      const wait_mark mark(child.get());
      const instant next_try = steady_clock::now() + std::chrono::milliseconds(10);
      ended = child->await_end(there, mark.holds() ? instant::max() : next_try, instant::min());
    }
    std::list<worker_report> told;
    try {
      told.push_back(child->hand_out());
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): who asks the child itself gets it.
    }
    there.unlock();
    child.reset();
    locked.lock();
    doing_.clear();
    child_reports_.splice(child_reports_.end(), told);
    children_told_ = false;
  }
}

void worker_core::release_resources(guard& locked) {
  // Captures of what was discarded may still use them: they end where somebody waits for this worker.
  name_doing("discarded items");
  while (disposing_ != 0) changed_.wait(locked);
  // Callbacks of timers may, too.
  name_doing("timers");
  const wait_result waited = await_timers(locked, duration::max());
  doing_.clear();
  // A callback that waits for a call of this very thread, which runs the stages here, is in progress still: what it
  // uses stays until the destructor.
  if (waited != wait_result::quiet) {
    note("timers", to_string(waited), priority::normal, fate::unfinished);
    return;
  }
  release_owned(locked);
}

void worker_core::release_owned(guard& locked) {
  while (!resources_.empty()) {
    std::unique_ptr<owned> last = std::move(resources_.back());
    resources_.pop_back();
    call_contained(locked, "resource", last->name, [&last] { last->clean_up(); });
    name_doing(last->name);
    locked.unlock();
    last.reset();
    locked.lock();
    doing_.clear();
  }
}

void worker_core::ask_current(guard& locked) {
  if (current_ == nullptr || !current_->agreed || asked_.load(std::memory_order_relaxed))
    return;                                       // C3, under the lock.
  asked_.store(true, std::memory_order_release);  // C2
  if (!stop_hook_) return;
  {
    hook<void()> told = std::move(stop_hook_);
    hook_running_ = true;
    hook_thread_ = std::this_thread::get_id();
    locked.unlock();
    try {
      told();
    } catch (...) {
      contain("on_stop");
    }
  }
  locked.lock();
  hook_running_ = false;
  changed_.notify_all();
}

instant worker_core::next_look() const noexcept {
  if (!stopping_ || ended_) return instant::max();
  if (stages_[static_cast<std::size_t>(stage_)].state == stage_state::running) return stage_deadline_;
  return queue_.size() != 0 && !hands_over() ? total_ : instant::max();
}

void worker_core::look_after(guard& locked) {
  if (!stopping_ || ended_) return;
  stage_report& now_in = stages_[static_cast<std::size_t>(stage_)];
  if (now_in.state == stage_state::running && is_stage_over(steady_clock::now())) {
    now_in.state = stage_state::overdue;
    try {
      now_in.culprit = culprit();
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): it stays unnamed.
    }
    ask_current(locked);  // First: what runs after the lock was left is another task, which may have time.
    if (!effects_taken_) {
      effects_taken_ = true;
      closing_timers_ = true;
      cancel_waiters(locked);
      close_and_list_timers(locked);
      closing_timers_ = false;
      changed_.notify_all();
      stop_children(locked, total_);
    }
  }
  // A queue with an heir waits for the worker's thread: the heir would run it beside the task that is in progress.
  if (!hands_over() && steady_clock::now() >= total_) dispose(locked, take_items(fate::discarded), fate::discarded);
}

bool worker_core::await_end(guard& locked, instant limit, instant whole) {
  for (;;) {
    // Read first: when the limit has passed by this reading, what is overdue then has been looked after.
    const instant now = steady_clock::now();
    look_after(locked);
    if (joined_) return true;
    if (ended_ && !joining_ && (created_ || inline_stages_)) {
      joining_ = true;
      if (created_) {
        locked.unlock();
        pthread_join(thread_, nullptr);
        locked.lock();
      }
      leave_stage(steady_clock::now());
      joined_ = true;
      changed_.notify_all();
      return true;
    }
    // Not where captures are being destroyed, perhaps by this very thread: the stages would wait for that.
    if (stopping_ && !started_ && !inline_stages_ && disposing_ == 0) {
      inline_stages_ = true;
      locked.unlock();
      run_stages_here();
      locked.lock();
      continue;
    }
    const instant last = total_ < whole ? std::min(limit, total_) : limit;
    if (now >= last) return false;
    const instant until = std::min(last, next_look());
    if (until == instant::max()) {
      changed_.wait(locked);
    } else {
      changed_.wait_until(locked, until);
    }
  }
}

bool worker_core::is_within() {
  std::shared_ptr<worker_core> alive;
  for (worker_core* at = current(); at != nullptr; at = alive.get()) {
    if (at == this) return true;
    alive = at->parent_.lock();
  }
  return is_in_own_timer();
}

// The worker's end waits for its timers' calls, and this may be one of them.
bool worker_core::is_in_own_timer() noexcept {
  const guard locked(lock_);
  return timers_ && is_in_callback_of(*timers_);
}

worker_report worker_core::shutdown(duration limit) {
  const duration own = limit == duration::max() ? limits_total() : limit;
  const instant deadline = deadline_after(steady_clock::now(), own);
  instant whole{};
  begin_stop(deadline, &whole);
  const auto told = [&](bool waits) {
    guard locked(lock_);
    if (waits) await_end(locked, deadline, whole);
    worker_report now = hand_out();
    now.from_worker = !waits;
    return now;
  };
  if (is_within()) return told(false);
  const wait_mark mark(this);
  return told(mark.holds());
}

void worker_core::finish() noexcept {
  if (is_in_own_timer()) die(options_.name, "in a callback of its own timers");
  if (is_within()) die(options_.name, "on its own thread, or on one of a child of it");
  begin_stop(instant::max());
  {
    const wait_mark mark(this);
    if (!mark.holds()) die(options_.name, "by a call that it waits for");
    guard locked(lock_);
    while (!await_end(locked, steady_clock::now() + std::chrono::seconds(2), instant::min())) {
      const char* const stage = to_string(stage_);
      std::string what;
      try {
        what = culprit();
      } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): it stays unnamed.
      }
      locked.unlock();
      std::fprintf(stderr, "detent: the worker '%s' has not ended: stage %s%s%s\n", options_.name.c_str(), stage,
                   what.empty() ? "" : ", in ", what.c_str());
      locked.lock();
    }
    tell_what_was_lost();
    while (disposing_ != 0) changed_.wait(locked);
    locked.unlock();
    const bool are_quiet = timers_->close_and_wait() == wait_result::quiet;
    locked.lock();
    // What came after the end.
    if (are_quiet) release_owned(locked);
    while (closing_timers_) changed_.wait(locked);
  }
  std::optional<timer_group> gone;  // Its end waits, outside the lock.
  {
    const guard locked(lock_);
    gone = std::move(timers_);
    timers_.reset();
  }
  gone.reset();
  {
    guard locked(lock_);
    release_owned(locked);
  }
  if (const auto parent = parent_.lock(); parent != nullptr && !parent->is_gone()) parent->remove_child(*this);
}

worker_report worker_core::report() {
  const guard locked(lock_);
  return hand_out();
}

worker_report worker_core::hand_out() {
  worker_report told = report_locked();
  for (auto& [key, times] : undone_) times.untold = 0;
  children_told_ = true;
  return told;
}

void worker_core::tell_what_was_lost() noexcept {
  const auto tell = [](const std::string& worker, const std::string& kind, const std::string& name, auto times) {
    std::fprintf(stderr, "detent: the worker '%s' has discarded: %s %s, %llu times\n", worker.c_str(), kind.c_str(),
                 name.c_str(), static_cast<unsigned long long>(times));
  };
  for (const auto& [key, times] : undone_) {
    if (std::get<fate>(key) != fate::discarded || times.untold == 0) continue;
    if (options_.at_end == queue_end::discard && std::get<0>(key) == "item") continue;  // That was asked for.
    tell(options_.name, std::get<0>(key), std::get<1>(key), times.untold);
  }
  if (children_told_) return;
  const auto tell_of = [&](const auto& self, const worker_report& child) -> void {
    for (const undone& u : child.undone_list) {
      if (u.fate == fate::discarded) tell(child.worker, u.kind, u.name, u.count);
    }
    for (const worker_report& next : child.children) self(self, next);
  };
  for (const worker_report& child : child_reports_) tell_of(tell_of, child);
}

void worker_core::list_pending(worker_report& to) const {
  const auto list = [&](const char* kind, std::string name, priority urgency, fate what) {
    to.undone_list.push_back({kind, std::move(name), urgency, what, 1});
  };
  if (current_ != nullptr) {
    list("item", name_of(*current_), current_->urgency, fate::unfinished);
  } else if (!doing_.empty()) {
    list(kind_of(stage_), doing_, priority::normal, fate::unfinished);
  }
  queue_.each([&](const job& item) { list("item", name_of(item), item.urgency, fate::pending); });
  for (const auto& state : replies_) list("callback", state->name, priority::normal, fate::pending);
  for (const auto& state : expected_) list("callback", state->name, priority::normal, fate::pending);
  const fate goodbye = steady_clock::now() < total_ ? fate::pending : fate::discarded;  // They have no time any more.
  for (const auto& next : farewells_) list("farewell", next.name, priority::normal, goodbye);
  for (auto at = resources_.rbegin(); at != resources_.rend(); ++at) {
    list("resource", (*at)->name, priority::normal, fate::pending);
  }
}

worker_report worker_core::report_locked() {
  recall();
  worker_report told;
  told.worker = options_.name;
  told.complete = joined_;
  told.stages = stages_;
  stage_report& now_in = told.stages[static_cast<std::size_t>(stage_)];
  if (now_in.state == stage_state::running || (now_in.state == stage_state::overdue && !joined_)) {
    now_in.took = steady_clock::now() - stage_begun_;
  }
  told.items = counts_;
  told.items.queued = queue_.size();
  told.late_replies = late_replies_;
  for (const auto& [key, times] : undone_) {
    told.undone_list.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), std::get<3>(key), times.all});
  }
  // Operations belong to their owners, who may end them at any time: those still in flight are listed by name.
  for (const auto& operation : operations_) {
    told.undone_list.push_back({"operation", operation->name, priority::normal, fate::unfinished, 1});
  }
  if (stopping_ && !joined_) list_pending(told);
  told.timers_left = timers_left_;
  told.children.assign(child_reports_.begin(), child_reports_.end());
  return told;
}

}  // namespace detail
DETENT_END_NAMESPACE
