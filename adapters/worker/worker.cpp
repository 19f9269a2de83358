// worker: the verbs of a worker while it works. How it ends is in stopping.cpp.
#include "worker_core.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <new>

DETENT_BEGIN_NAMESPACE
namespace detail {

namespace {

thread_local worker_core* current_worker = nullptr;
// The call of this thread that hears `stopped`.
thread_local const reply_state* hears_stopped = nullptr;
// One that expects anew each time would never come to an end.
constexpr std::uint8_t most_stopped_depth = 8;

// A worker that has nothing to do leaves the processor to others and looks again before it sleeps: who has posted is
// about to post again, and to be woken costs both of them more. Not at once, for each look takes the lock from whoever
// posts (docs/decisions/0074).
constexpr int looks_before_sleep = 2;
constexpr int yields_before_look = 8;

// How many forks this process is away from the one that began. Written in a fork child, where there is one thread.
unsigned forks = 0;

unsigned count_forks() noexcept {
  static const int hooked = pthread_atfork(nullptr, nullptr, [] { ++forks; });
  static_cast<void>(hooked);
  return forks;
}

}  // namespace

void item_queue::push(job* item) noexcept {
  taken_items& to = levels_[static_cast<std::size_t>(item->urgency)];
  item->next = nullptr;
  item->before = to.last;
  (to.last == nullptr ? to.first : to.last->next) = item;
  to.last = item;
  ++to.count;
  ++size_;
}

void item_queue::unlink(job* item) noexcept {
  taken_items& from = levels_[static_cast<std::size_t>(item->urgency)];
  (item->before == nullptr ? from.first : item->before->next) = item->next;
  (item->next == nullptr ? from.last : item->next->before) = item->before;
  --from.count;
  --size_;
}

taken_items item_queue::pop_level() noexcept {
  for (std::size_t index = priority_count; index-- > 0;) {
    if (levels_[index].first == nullptr) continue;
    size_ -= levels_[index].count;
    return std::exchange(levels_[index], {});
  }
  return {};
}

void item_queue::put_back(taken_items rest) noexcept {
  if (rest.first == nullptr) return;
  taken_items& to = levels_[static_cast<std::size_t>(rest.first->urgency)];
  rest.first->before = nullptr;
  rest.last->next = to.first;
  (to.first == nullptr ? to.last : to.first->before) = rest.last;
  to.first = rest.first;
  to.count += rest.count;
  size_ += rest.count;
}

job* item_queue::pop() noexcept {
  if (size_ == 0) return nullptr;
  for (std::size_t index = priority_count; index-- > 0;) {
    if (job* item = levels_[index].first; item != nullptr) {
      unlink(item);
      return item;
    }
  }
  return nullptr;
}

job* item_queue::pop_below(priority urgency) noexcept {
  for (std::size_t index = 0; index < static_cast<std::size_t>(urgency); ++index) {
    if (job* item = levels_[index].last; item != nullptr) {
      unlink(item);
      return item;
    }
  }
  return nullptr;
}

worker_core* worker_core::current() noexcept { return current_worker; }

void* job::operator new(std::size_t size, worker_core& to) {
  if (size > block_bytes) return ::operator new(size);
  void* const block = to.take_block();
  return block != nullptr ? block : ::operator new(block_bytes);
}
void* job::operator new(std::size_t size, std::align_val_t alignment, worker_core&) {
  return ::operator new(size, alignment);
}

void job::operator delete(void* memory, std::size_t size) noexcept {
  if (size > block_bytes || current_worker == nullptr || !current_worker->keep_block(memory)) ::operator delete(memory);
}
void job::operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
  ::operator delete(memory, alignment);
}

void block_list::push(void* memory) noexcept {
  first_ = ::new (memory) block{first_};
  if (count_++ == 0) last_ = first_;
}

void* block_list::pop() noexcept {
  --count_;
  void* const popped = std::exchange(first_, first_->next);
  __builtin_prefetch(first_, 1);  // Another core has used it last.
  return popped;
}

void block_list::take(block_list& other) noexcept {
  if (other.count_ == 0) return;
  other.last_->next = first_;
  if (count_ == 0) last_ = other.last_;
  first_ = other.first_;
  count_ += std::exchange(other.count_, 0);
  other.first_ = nullptr;
}

block_list::~block_list() {
  while (first_ != nullptr) ::operator delete(std::exchange(first_, first_->next));
}

void* worker_core::take_block() noexcept { return spare_.exchange(nullptr, std::memory_order_acquire); }  // F2

void worker_core::lay_out_block() noexcept {
  if (blocks_.count() == 0 || spare_.load(std::memory_order_relaxed) != nullptr) return;  // F1: whether it is wanted.
  spare_.store(blocks_.pop(), std::memory_order_release);                                 // F1
}

bool worker_core::keep_block(void* memory) noexcept {
  if (spent_blocks_.count() >= blocks_wanted_) return false;
  spent_blocks_.push(memory);
  return true;
}

worker_core::worker_core(timer_service& service, worker_options options, std::shared_ptr<worker_core> parent)
    : options_(std::move(options)),
      forks_(count_forks()),
      parent_(parent),
      heir_(heir_of(options_)),
      service_(service),
      timers_(std::in_place, service, group_options{.name = options_.name, .order = group_order::serial}) {
  for (std::size_t i = 0; i < worker_stage_count; ++i) stages_[i].stage = static_cast<worker_stage>(i);
}

worker_core::~worker_core() { ::operator delete(take_block()); }

bool worker_core::is_gone() const noexcept { return forks_ != forks; }

std::weak_ptr<worker_core> worker_core::heir_of(const worker_options& options) {
  return options.heir == nullptr ? std::weak_ptr<worker_core>() : options.heir->core_;
}

std::error_code worker_core::start() noexcept {
  {
    const guard locked(lock_);
    if (started_ || stopping_) return {};
    started_ = true;
  }
  // The thread belongs to no signal: whoever wants signals takes them on a thread of his. But its own faults are its
  // own: a blocked one would end the process without its handler.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  int error = 0;
  if (options_.stack_bytes != 0) error = pthread_attr_setstacksize(&attributes, options_.stack_bytes);
  auto* share = new (std::nothrow) std::shared_ptr<worker_core>(shared_from_this());
  if (share == nullptr) error = ENOMEM;
  pthread_t thread{};
  if (error == 0) error = pthread_create(&thread, &attributes, &thread_main, share);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) delete share;
  const guard locked(lock_);
  started_ = error == 0;
  created_ = error == 0;
  thread_ = thread;
  changed_.notify_all();
  return {error, std::generic_category()};
}

void* worker_core::thread_main(void* share) {
  std::shared_ptr<worker_core> self;
  {
    auto* handed = static_cast<std::shared_ptr<worker_core>*>(share);
    self = std::move(*handed);
    delete handed;
  }
  pthread_setname_np(pthread_self(), self->options_.name.substr(0, 15).c_str());
  current_worker = self.get();
  self->call_.emplace(self.get(), self->options_.name.c_str());
  self->work_off();
  self->run_stages();
  self->call_.reset();
  current_worker = nullptr;
  return nullptr;
}

void worker_core::work_off() {
  int looks = 0;
  guard locked(lock_);
  while (!stopping_) {
    blocks_.take(spent_blocks_);
    blocks_wanted_ = most_blocks - blocks_.count();
    if (!replies_.empty()) {
      run_reply(locked);
      looks = 0;
      continue;
    }
    if (queue_.size() != 0) {
      run_batch(locked);
      looks = 0;
      continue;
    }
    if (spent_ != nullptr) {
      locked.unlock();
      spent_.reset();
      locked.lock();
      continue;
    }
    if (looks++ < looks_before_sleep) {
      locked.unlock();
      for (int i = 0; i < yields_before_look; ++i) std::this_thread::yield();
      locked.lock();
      continue;
    }
    looks = 0;
    sleeping_ = true;
    work_ready_.wait(locked);
    sleeping_ = false;
  }
}

void worker_core::contain(const std::string& what) noexcept {
  if (!options_.on_error) return;
  try {
    options_.on_error(what, std::current_exception());
  } catch (...) {  // NOLINT(bugprone-empty-catch): a handler that throws has nobody to tell.
  }
}

std::string name_of(const job& item) {
  if (item.terms != nullptr && !item.terms->name.empty()) return item.terms->name;
  const std::string_view path = item.place.file_name();
  return std::string(path.substr(path.rfind('/') + 1)) + ":" + std::to_string(item.place.line());
}

std::string worker_core::culprit() const { return current_ != nullptr ? name_of(*current_) : doing_; }

fate worker_core::run_guarded(job& item) {
  if (!item.is_wanted()) return fate::withdrawn;
  work now(*this);
  try {
    item.run(now);
  } catch (...) {
    if (options_.on_error) {
      try {
        options_.on_error(name_of(item), std::current_exception());
      } catch (...) {  // NOLINT(bugprone-empty-catch): see `contain`; nor is there memory for a name.
      }
    }
    return fate::threw;
  }
  return fate::unfinished;  // Stands for "done" here: there is no fate for what was done.
}

// The lock is held before and after. What was asked about the task ends here.
void worker_core::end_current(guard& locked) {
  while (hook_running_ && hook_thread_ != std::this_thread::get_id()) changed_.wait(locked);
  current_ = nullptr;
  --counts_.running;
}

void worker_core::run_item(guard& locked, std::unique_ptr<job> item) {
  current_ = item.get();
  if (call_state* const caller = item->caller()) caller->begun = true;
  ++counts_.running;
  asked_.store(false, std::memory_order_relaxed);  // C1
  wake_posters();
  locked.unlock();
  spent_.reset();
  const fate what = run_guarded(*item);
  locked.lock();
  end_item(locked, std::move(item), what);
}

// Takes all of the highest priority at once and goes from one to the next without the lock, as long as there is nobody
// to tell and nobody recalls them. Where posters wait for room it takes one: each end makes room.
void worker_core::run_batch(guard& locked) {
  if (blocked_posters_ != 0) {
    job* const only = queue_.pop();
    only->next = nullptr;
    batch_ = {only, only, 1};
  } else {
    batch_ = queue_.pop_level();
  }
  places_[0] = {batch_.first, 0};
  begun_.store(&places_[0], std::memory_order_relaxed);  // J1: others look under the lock.
  asked_.store(false, std::memory_order_relaxed);        // C1
  wake_posters();
  locked.unlock();
  for (begun_item* at = &places_[0];;) {
    spent_.reset();
    job& item = *at->item;
    __builtin_prefetch(item.next);  // Another core has made it.
    const fate what = run_guarded(item);
    job* const next = item.next;
    if (what == fate::unfinished && !item.agreed && !item.is_awaited() && next != nullptr) {
      begun_item* const place = at == &places_[0] ? &places_[1] : &places_[0];
      *place = {next, at->before_count + 1};
      begun_item* expected = at;
      const bool stepped = begun_.compare_exchange_strong(expected, place, std::memory_order_release,
                                                          std::memory_order_relaxed);  // J2
      if (stepped) {
        spent_.reset(&item);
        at = place;
        continue;
      }
    }
    locked.lock();
    recall();
    end_item(locked, std::unique_ptr<job>(&item), what);
    return;
  }
}

void worker_core::recall() noexcept {
  const begun_item* const last = begun_.exchange(nullptr, std::memory_order_acquire);  // J3
  if (last == nullptr) return;
  current_ = last->item;
  if (call_state* const caller = current_->caller()) caller->begun = true;
  counts_.done += last->before_count;
  ++counts_.running;
  queue_.put_back({current_->next, batch_.last, batch_.count - last->before_count - 1});
  batch_ = {};
}

void worker_core::end_item(guard& locked, std::unique_ptr<job> item, fate what) {
  end_current(locked);
  const bool done = what == fate::unfinished;
  if (done) {
    ++counts_.done;
  } else {
    note_item(*item, what);
  }
  if (!stop_hook_ && !item->is_awaited()) {
    spent_ = std::move(item);
    return;
  }
  const hook<void()> old = std::move(stop_hook_);
  locked.unlock();
  settle(std::move(item), what);
  locked.lock();
}

void worker_core::settle(std::unique_ptr<job> item, fate what) noexcept {
  const std::unique_ptr<job_terms> terms = std::move(item->terms);
  item.reset();
  if (terms == nullptr) return;
  if (terms->request != nullptr) {
    const auto result = what == fate::unfinished ? reply_result::answered
                        : what == fate::threw    ? reply_result::failed
                                                 : reply_result::cancelled;
    detail::complete(terms->request, result);
  }
  if (terms->caller == nullptr) return;
  const guard locked(lock_);
  terms->caller->result = what == fate::unfinished ? call_result::done
                          : what == fate::threw    ? call_result::threw
                                                   : call_result::cancelled;
  terms->caller->over.store(1, std::memory_order_release);  // Z1
  changed_.notify_all();
}

void worker_core::settle_all(item_queue& items, fate what) noexcept {
  while (job* const item = items.pop()) settle(std::unique_ptr<job>(item), what);
}

void worker_core::count(fate what) noexcept {
  switch (what) {
    case fate::refused: ++counts_.refused; break;
    case fate::displaced: ++counts_.displaced; break;
    case fate::withdrawn: ++counts_.withdrawn; break;
    case fate::cancelled: ++counts_.cancelled; break;
    case fate::discarded: ++counts_.discarded; break;
    case fate::handed_over: ++counts_.handed_over; break;
    case fate::threw: ++counts_.threw; break;
    case fate::pending:
    case fate::unfinished: break;
  }
}

void worker_core::name_doing(std::string_view name) noexcept {
  try {
    doing_ = name;
  } catch (const std::bad_alloc&) {
    doing_.clear();
  }
}

void worker_core::note_item(const job& item, fate what) noexcept {
  count(what);
  try {
    note("item", name_of(item), item.urgency, what);
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the counts still tell.
  }
}

void worker_core::note(std::string_view kind, std::string_view name, priority urgency, fate what) noexcept {
  try {
    undone_key key(kind, name, urgency, what);
    if (undone_.size() >= most_undone_names && !undone_.contains(key)) std::get<1>(key) = "(others)";
    undone_times& times = undone_[std::move(key)];
    ++times.all;
    ++times.untold;
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the counts still tell.
  }
}

post_result worker_core::enqueue(std::unique_ptr<job>& item, const post_options& options, std::source_location place,
                                 instant limit, std::optional<wait_mark>* call_mark) {
  if (!options.name.empty()) item->with_terms().name = options.name;
  item->place = place;
  item->urgency = options.urgency;
  std::unique_ptr<job> displaced;
  bool wake = false;
  {
    guard locked(lock_);
    const bool own = current_worker == this;
    const auto takes = [&] {
      return !stopping_ || (own && options_.late == late_posts::accepted_while_draining &&
                            options_.at_end == queue_end::drain && takes_late_);
    };
    const auto is_full = [&] {
      if (options_.queue_limit == 0 || queue_.size() + batch_.count < options_.queue_limit) return false;
      recall();  // Some of the batch has been done.
      return queue_.size() >= options_.queue_limit;
    };
    if (takes() && is_full()) {
      if (options_.when_full == when_full::block && !own) {
        ++blocked_posters_;
        while (takes() && is_full()) {
          // A mark for each wait: room that was made ends it, also when another poster has taken that.
          const wait_mark mark(this, &room_made_);
          if (!mark.holds()) break;
          if (limit == instant::max()) {
            changed_.wait(locked);
          } else if (changed_.wait_until(locked, limit) == std::cv_status::timeout) {
            break;
          }
        }
        --blocked_posters_;
      } else if (options_.when_full == when_full::drop_lowest) {
        displaced.reset(queue_.pop_below(item->urgency));
        if (displaced != nullptr) {
          note_item(*displaced, fate::displaced);
        }
      }
    }
    if (!takes() || is_full()) {
      count(fate::refused);
      return takes() ? post_result::full : post_result::stopping;
    }
    if (call_mark != nullptr && !call_mark->emplace(this, &item->caller()->over).holds()) {
      count(fate::refused);
    } else {
      if (batch_.last != nullptr && batch_.last->urgency < item->urgency) recall();
      item->id = ++last_id_;
      queue_.push(item.release());
      ++counts_.accepted;
      lay_out_block();
      wake = std::exchange(sleeping_, false);
    }
  }
  if (wake) work_ready_.notify_one();
  const post_result answer = item != nullptr        ? post_result::full
                             : displaced == nullptr ? post_result::accepted
                                                    : post_result::displaced;
  if (displaced != nullptr) settle(std::move(displaced), fate::displaced);
  return answer;
}

call_result worker_core::call(std::unique_ptr<job> item, const post_options& options, std::source_location place,
                              duration limit) {
  if (!wait_mark(this).holds()) return call_result::from_worker;
  const auto state = std::make_shared<call_state>();
  state->in_own_timer = is_in_own_timer();
  const instant deadline = deadline_after(steady_clock::now(), limit);
  item->with_terms().caller = state;
  std::optional<wait_mark> mark;  // From the posting on: before that, it is room that is waited for.
  const post_result posted = enqueue(item, options, place, deadline, &mark);
  if (mark && !mark->holds()) return call_result::from_worker;
  switch (posted) {
    case post_result::full: return call_result::full;
    case post_result::stopping: return call_result::stopping;
    default: break;
  }
  guard locked(lock_);
  for (;;) {
    // Read first: who is late by this reading has been looked after.
    const instant now = steady_clock::now();
    look_after(locked);
    if (state->over.load(std::memory_order_acquire) != 0) return state->result;  // Z3
    const bool in_time = now < std::min(deadline, total_);
    if (!in_time) recall();
    if (!in_time && state->begun) return call_result::running;
    if (!in_time) {
      if (auto mine = take_withdrawn([&](const job& queued) { return queued.caller() == state.get(); })) {
        wake_posters();
        locked.unlock();
        settle(std::move(mine), fate::withdrawn);
        return call_result::timed_out;
      }
    }
    const instant until = in_time ? std::min({deadline, total_, next_look()}) : instant::max();
    if (until == instant::max()) {
      changed_.wait(locked);
    } else {
      changed_.wait_until(locked, until);
    }
  }
}

template <class P>
std::unique_ptr<job> worker_core::take_withdrawn(P wanted) {
  recall();
  job* found = nullptr;
  queue_.each([&](job& item) {
    if (wanted(item)) found = &item;
  });
  if (found == nullptr) return nullptr;
  queue_.unlink(found);
  note_item(*found, fate::withdrawn);
  return std::unique_ptr<job>(found);
}

void worker_core::wake_posters() noexcept {
  if (blocked_posters_ == 0) return;
  room_made_.fetch_add(1, std::memory_order_release);  // Z2
  changed_.notify_all();
}

std::size_t worker_core::withdraw(std::uint64_t id) {
  guard locked(lock_);
  auto found = take_withdrawn([&](const job& item) { return item.id == id; });
  if (found == nullptr) return 0;
  wake_posters();
  locked.unlock();
  settle(std::move(found), fate::withdrawn);
  return 1;
}

void worker_core::note_asked(reply_state& state, const std::shared_ptr<worker_core>& other) noexcept {
  const guard locked(lock_);
  state.asked = other;
}

void worker_core::withdraw_requests(const worker_core& of) noexcept {
  const std::weak_ptr<const worker_core> stops = of.weak_from_this();
  guard locked(lock_);
  recall();
  item_queue taken;
  queue_.each([&](job& item) {
    if (item.terms == nullptr || item.terms->request == nullptr) return;
    const auto& asker = item.terms->request->asker;
    if (asker.owner_before(stops) || stops.owner_before(asker)) return;
    queue_.unlink(&item);
    taken.push(&item);
    note_item(item, fate::withdrawn);
  });
  if (taken.size() != 0) wake_posters();
  dispose(locked, taken, fate::withdrawn);
}

std::vector<item_info> worker_core::items() {
  const guard locked(lock_);
  recall();
  std::vector<item_info> all;
  all.reserve(queue_.size());
  queue_.each([&](const job& item) { all.push_back({item.id, name_of(item), item.urgency}); });
  return all;
}

std::size_t worker_core::size() noexcept {
  const guard locked(lock_);
  recall();
  return queue_.size();
}

std::shared_ptr<reply_state> worker_core::expect(hook<void(reply_result)> f, std::string_view name) {
  auto state = std::make_shared<reply_state>();
  state->asker = weak_from_this();
  state->name = name;
  state->deliver = std::move(f);
  if (hears_stopped != nullptr) state->depth = static_cast<std::uint8_t>(hears_stopped->depth + 1);
  std::list<std::shared_ptr<reply_state>> one{state};
  guard locked(lock_);
  state->place = one.begin();
  if (state->depth > most_stopped_depth) {
    state->stage = reply_state::over;
    note("callback", state->name, priority::normal, fate::discarded);
    return state;
  }
  if (!stopping_ || stage_ <= worker_stage::callbacks) {
    expected_.splice(expected_.end(), one);
    return state;
  }
  // The stage in which callbacks are told is over: the worker's thread tells this one as soon as it can. Without a
  // thread it is told here.
  state->stage = reply_state::completed;
  state->result = reply_result::stopped;
  replies_.splice(replies_.end(), one);
  changed_.notify_all();
  if (ended_) run_replies(locked);
  return state;
}

bool worker_core::forget(const std::shared_ptr<reply_state>& state) noexcept {
  std::list<std::shared_ptr<reply_state>> gone;  // Its callable ends outside the lock.
  guard locked(lock_);
  const auto is_called = [&] {
    return state->stage == reply_state::delivering || state->stage == reply_state::telling;
  };
  state->forgotten = true;
  while (is_called() && state->deliverer != std::this_thread::get_id()) {
    const awaited_call call(state.get(), &state->calls_over);
    locked.unlock();
    const destructor_wait wait(service_, call.target());
    locked.lock();
    if (wait.is_refused() && is_called()) {  // The deadlock handler came back: so do we.
      state->abandoned = true;
      return false;
    }
    while (!call.is_over()) changed_.wait(locked);
  }
  const bool stands = state->stage == reply_state::expected || state->stage == reply_state::telling;
  const bool is_completed = state->stage == reply_state::completed;
  if (stands) gone.splice(gone.end(), expected_, state->place);
  if (is_completed) gone.splice(gone.end(), replies_, state->place);
  state->stage = reply_state::over;
  locked.unlock();
  return stands || is_completed;
}

bool worker_core::complete(reply_state& state, reply_result result) noexcept {
  bool wake = false;
  {
    const guard locked(lock_);
    if (state.stage != reply_state::expected || stopping_) {
      const bool hears_stopped = state.stage == reply_state::expected || state.result == reply_result::stopped;
      if (hears_stopped && result != reply_result::cancelled) ++late_replies_;
      return false;
    }
    state.stage = reply_state::completed;
    state.result = result;
    replies_.splice(replies_.end(), expected_, state.place);
    recall();
    wake = std::exchange(sleeping_, false);
  }
  if (wake) work_ready_.notify_one();
  return true;
}

bool worker_core::is_awaited(const reply_state& state) noexcept {
  const guard locked(lock_);
  return state.stage == reply_state::expected && !stopping_;
}

bool worker_core::takes_notice(const reply_state& state) noexcept {
  const guard locked(lock_);
  const bool stands = state.stage == reply_state::expected || state.stage == reply_state::telling;
  if (stands && !stopping_) return true;
  if (stands || state.result == reply_result::stopped) ++late_replies_;
  return false;
}

bool worker_core::begin_notice(reply_state& state) noexcept {
  const guard locked(lock_);
  if (state.stage != reply_state::expected || state.forgotten || stopping_) return false;
  state.stage = reply_state::telling;
  state.deliverer = std::this_thread::get_id();
  state.call.emplace(&state, state.name.c_str());
  return true;
}

void worker_core::end_notice(reply_state& state) noexcept {
  std::list<std::shared_ptr<reply_state>> gone;  // Its callable ends outside the lock.
  const guard locked(lock_);
  state.call.reset();
  if (state.stage == reply_state::telling) {
    state.stage = state.abandoned ? reply_state::over : reply_state::expected;
    if (state.abandoned) gone.splice(gone.end(), expected_, state.place);
  }
  state.calls_over.fetch_add(1, std::memory_order_release);  // Z1
  changed_.notify_all();
}

void worker_core::run_reply(guard& locked) {
  std::list<std::shared_ptr<reply_state>> one;
  one.splice(one.end(), replies_, replies_.begin());
  reply_state& state = *one.front();
  state.stage = reply_state::delivering;
  state.deliverer = std::this_thread::get_id();
  name_doing(state.name);
  locked.unlock();
  state.call.emplace(&state, state.name.c_str());
  const reply_state* const around =
      std::exchange(hears_stopped, state.result == reply_result::stopped ? &state : hears_stopped);
  bool threw = false;
  try {
    state.deliver(state.result);
  } catch (...) {
    threw = true;
    contain(state.name);
  }
  state.deliver = {};
  hears_stopped = around;
  state.call.reset();
  locked.lock();
  doing_.clear();
  state.stage = reply_state::over;
  state.calls_over.fetch_add(1, std::memory_order_release);  // Z1
  changed_.notify_all();
  if (threw) note("callback", state.name, priority::normal, fate::threw);
  locked.unlock();
  one.clear();
  locked.lock();
}

void worker_core::run_replies(guard& locked) {
  while (!replies_.empty()) run_reply(locked);
}

void worker_core::keep(std::unique_ptr<owned> resource, std::string_view name) {
  resource->name = name;
  const guard locked(lock_);
  resources_.push_back(std::move(resource));
}

void worker_core::add_farewell(hook<void()> f, std::string_view name) {
  farewell late{std::string(name), std::move(f)};  // Ends outside the lock.
  const guard locked(lock_);
  if (stopping_ && stage_ > worker_stage::farewells) {
    note("farewell", name, priority::normal, fate::discarded);
  } else {
    farewells_.push_back(std::move(late));
  }
}

std::shared_ptr<operation_state> worker_core::add_operation(hook<void()> cancel, std::string_view name) {
  auto state = std::make_shared<operation_state>();
  state->owner = weak_from_this();
  state->name = name;
  state->cancel = std::move(cancel);
  bool at_once = false;
  {
    const guard locked(lock_);
    at_once = io_over_;
    state->cancelled = at_once;
    operations_.push_back(state);  // Also then: it is in flight until it ends, and is listed.
  }
  if (at_once) {
    try {
      state->cancel();
    } catch (...) {
      contain(state->name);
    }
  }
  return state;
}

void worker_core::end_operation(operation_state& operation) noexcept {
  std::shared_ptr<operation_state> gone;  // Its callable ends outside the lock.
  guard locked(lock_);
  operation.ended = true;
  if (operation.cancelling && operation.canceller != std::this_thread::get_id()) {
    const awaited_call call(&operation, &operation.over);
    locked.unlock();
    const destructor_wait wait(service_, call.target());
    locked.lock();
    while (!wait.is_refused() && !call.is_over()) changed_.wait(locked);
  }
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    if (operations_[i].get() != &operation) continue;
    gone = std::move(operations_[i]);
    operations_.erase(operations_.begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  changed_.notify_all();
  locked.unlock();
}

void worker_core::set_hook(hook<void()> f) {
  hook<void()> old;  // Ends outside the lock.
  {
    const guard locked(lock_);
    if (!asked_.load(std::memory_order_relaxed)) {  // C3, under the lock.
      old = std::exchange(stop_hook_, std::move(f));
      return;
    }
  }
  f();
}

bool worker_core::add_child(const std::shared_ptr<worker_core>& child) {
  const guard locked(lock_);
  children_.push_back({child, false, false});
  return !stopping_;
}

void worker_core::remove_child(const worker_core& child) noexcept {
  const std::weak_ptr<const worker_core> gone = child.weak_from_this();
  const guard locked(lock_);
  std::erase_if(children_, [&](const child_entry& other) {
    return other.core.expired() || (!other.core.owner_before(gone) && !gone.owner_before(other.core));
  });
}

bool is_open(const std::shared_ptr<reply_state>& state) noexcept {
  const auto asker = state->asker.lock();
  return asker != nullptr && !asker->is_gone() && asker->is_awaited(*state);
}

bool complete(const std::shared_ptr<reply_state>& state, reply_result result) noexcept {
  const auto asker = state->asker.lock();
  return asker != nullptr && !asker->is_gone() && asker->complete(*state, result);
}

void worker_core::run_stages_here() {
  worker_core* const before = std::exchange(current_worker, this);
  call_.emplace(this, options_.name.c_str());
  run_stages();
  call_.reset();
  current_worker = before;
}

}  // namespace detail

bool work::stop_requested() const noexcept { return core_->is_asked(); }
void work::set_hook(detail::hook<void()> f) { core_->set_hook(std::move(f)); }

expectation& expectation::operator=(expectation&& other) noexcept {
  expectation old(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}
expectation::~expectation() {
  if (state_ == nullptr) return;
  if (const auto asker = state_->asker.lock(); asker != nullptr && !asker->is_gone()) asker->forget(state_);
}
void expectation::complete() noexcept {
  if (state_ != nullptr) detail::complete(state_, reply_result::answered);
}

operation& operation::operator=(operation&& other) noexcept {
  operation old(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}
operation::~operation() {
  if (state_ == nullptr) return;
  if (const auto owner = state_->owner.lock(); owner != nullptr && !owner->is_gone()) owner->end_operation(*state_);
}

worker::worker(timer_service& service, worker_options options)
    : core_(std::make_shared<detail::worker_core>(service, std::move(options), nullptr)) {}

worker::worker(worker& parent, timer_service& service, worker_options options)
    : core_(std::make_shared<detail::worker_core>(service, std::move(options), parent.core_)) {
  if (parent.core_->is_gone() || !parent.core_->add_child(core_)) core_->begin_stop(detail::instant::max());
}

worker::~worker() {
  if (!core_->is_gone()) core_->finish();
}

void worker::start() {
  std::error_code error;
  start(error);
  if (error) throw std::system_error(error, "pthread_create");
}
void worker::start(std::error_code& error) noexcept { error = core_->is_gone() ? std::error_code() : core_->start(); }

post_result worker::enqueue(std::unique_ptr<detail::job> item, const post_options& options,
                            std::source_location place) {
  if (core_->is_gone()) return post_result::stopping;
  return core_->enqueue(item, options, place, detail::instant::max());
}
call_result worker::call(std::unique_ptr<detail::job> item, const post_options& options, std::source_location place,
                         duration limit) {
  if (core_->is_gone()) return call_result::stopping;
  return core_->call(std::move(item), options, place, limit);
}
std::shared_ptr<detail::reply_state> worker::expect_reply(detail::hook<void(reply_result)> f, std::string_view name) {
  return core_->is_gone() ? nullptr : core_->expect(std::move(f), name);
}
post_result worker::send(worker& other, std::unique_ptr<detail::job> item, const post_options& options,
                         std::source_location place, std::shared_ptr<detail::reply_state> state) {
  if (state == nullptr || other.core_->is_gone()) return post_result::stopping;
  try {
    item->with_terms().request = state;
    core_->note_asked(*state, other.core_);
    const post_result result = other.core_->enqueue(item, options, place, detail::instant::max());
    // Whose reply has heard `stopped` already is not told of the refusal as well.
    return item == nullptr || core_->forget(state) ? result : post_result::accepted;
  } catch (...) {
    core_->forget(state);
    throw;
  }
}
std::size_t worker::withdraw(std::uint64_t id) { return core_->is_gone() ? 0 : core_->withdraw(id); }
std::vector<item_info> worker::items() const { return core_->is_gone() ? std::vector<item_info>() : core_->items(); }
std::size_t worker::size() const noexcept { return core_->is_gone() ? 0 : core_->size(); }
timer_group& worker::timers() noexcept { return core_->timers(); }
void worker::keep(std::unique_ptr<detail::owned> resource, std::string_view name) {
  if (core_->is_gone()) static_cast<void>(resource.release());  // The caller has a reference to what it owns.
  else core_->keep(std::move(resource), name);
}
void worker::add_farewell(detail::hook<void()> f, std::string_view name) {
  if (!core_->is_gone()) core_->add_farewell(std::move(f), name);
}
std::shared_ptr<detail::operation_state> worker::add_operation(detail::hook<void()> cancel, std::string_view name) {
  return core_->is_gone() ? nullptr : core_->add_operation(std::move(cancel), name);
}
stop_result worker::stop(duration limit) noexcept {
  if (core_->is_gone()) return stop_result::idle;
  return core_->begin_stop(detail::deadline_after(steady_clock::now(), limit));
}
worker_report worker::shutdown(duration limit) { return core_->is_gone() ? report() : core_->shutdown(limit); }
worker_report worker::report() const {
  if (!core_->is_gone()) return core_->report();
  worker_report parents;
  parents.worker = name();
  return parents;
}
const std::string& worker::name() const noexcept { return core_->name(); }
bool worker::is_current() const noexcept { return detail::worker_core::current() == core_.get(); }

DETENT_END_NAMESPACE
