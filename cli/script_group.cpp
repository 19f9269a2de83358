// script_group: threads, signals, and when it is all over.
#include "script_group.hpp"

#include "number_text.hpp"
#include "script_engines.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace detent::cli {
namespace {

// `timeout` and terminals that pass a signal on send it to the process and to its group: the same request, twice within
// microseconds. A person's second Ctrl-C comes later than this.
constexpr auto same_request = std::chrono::milliseconds(200);

// After this time it is said who does not return.
constexpr auto patience = std::chrono::milliseconds(2000);

constexpr std::chrono::milliseconds for_ever(-1);

/// A second line of defence behind the engines' own limits: beyond it the process gets no memory.
void limit_address_space(double more_bytes) {
  std::size_t pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages)) return;
  const double now_bytes = static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0) return;
  limit.rlim_cur = std::min(limit.rlim_max, static_cast<rlim_t>(now_bytes + more_bytes));
  setrlimit(RLIMIT_AS, &limit);
}

std::string count_text(std::uint64_t count, const char* what) {
  return grouped(count) + " " + what + (count == 1 ? "" : "s");
}

std::string duration_of_ms(double ms) {
  constexpr double ns_per_ms = 1e6;
  return duration_text(static_cast<std::int64_t>(ms * ns_per_ms));
}

/// A line of the list.
std::string text_of(const script_timer_status& told) {
  static constexpr const char* states[] = {"armed", "running", "paused", "suspended"};
  const bool is_interval = told.kind == script_timer_kind::interval;
  std::string text = "timer " + std::to_string(told.id) + (is_interval ? " interval " : " timeout ") +
                     states[static_cast<std::size_t>(told.state)];
  if (told.state == script_timer_state::armed) {
    text += told.remaining_ms < 0 ? ", overdue for " + duration_of_ms(-told.remaining_ms)
                                  : ", due in " + duration_of_ms(told.remaining_ms);
  } else if (told.state != script_timer_state::running) {
    text += " with " + duration_of_ms(told.remaining_ms) + " left";
  }
  if (is_interval) text += ", every " + duration_of_ms(told.period_ms);
  if (told.fires > 0) {
    text += ", " + count_text(told.fires, "call") + ", the latest " + duration_of_ms(told.lateness_ms) + " late";
  }
  if (told.missed > 0) text += ", " + grouped(told.missed) + " missed";
  if (!told.last_error.empty()) text += ", latest error: " + told.last_error.substr(0, told.last_error.find('\n'));
  return text;
}

}  // namespace

script_group::script_group(const run_options& options, std::vector<std::string> arguments)
    : options_(options), arguments_(std::move(arguments)), service_(clock_options()), modes_(service_) {}

service_options script_group::clock_options() {
  service_options made;
  if (options_.has_virtual_time) made.clock = &clock_;
  made.executor = on_driver{};
  return made;
}

scripting::engine_options script_group::engine_options(const std::string& name) {
  scripting::engine_options made;
  made.timers.rules = options_.has_web_rules ? script_rules::web : script_rules::havel;
  made.timers.name = name.substr(name.rfind('/') + 1).substr(0, 8);
  made.timers.live_limit = options_.live_limit;
  if (options_.has_virtual_time) made.timers.clock = &clock_;
  made.timers.under_clock = script_pass::posted;
  made.call_limit = std::chrono::nanoseconds(static_cast<std::int64_t>(options_.call_limit_ms * 1e6));
  made.memory_limit_bytes = static_cast<std::size_t>(options_.memory_limit_mb * 1e6);
  made.shared_modes = &modes_;
  made.arguments = arguments_;
  made.on_error = [this, name](const std::string& error) {
    tell_error(error.starts_with(name + ":") ? error : name + ": " + error);
  };
  made.on_print = [this](const std::string& line) { print(stdout, line); };
  made.on_print_error = [this](const std::string& line) { print(stderr, line); };
  return made;
}

void script_group::tell_error(const std::string& error) {
  had_error_.store(true, std::memory_order_relaxed);
  const std::string whole = error + '\n';  // it may have zeros
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

void script_group::print(std::FILE* where, const std::string& line) {
  std::string whole = line + '\n';  // written at once: other scripts print too
  if (options_.has_timestamps) {
    const double ms = std::chrono::duration<double, std::milli>(service_.now() - begin_).count();
    char stamp[64];
    std::snprintf(stamp, sizeof stamp, "%12.3f ms  ", ms);
    whole.insert(0, stamp);
  }
  if (std::fwrite(whole.data(), 1, whole.size(), where) == whole.size() || where != stdout) return;
  int none = 0;
  output_error_.compare_exchange_strong(none, errno, std::memory_order_relaxed);
}

// Whoever reads what scripts have printed has to know that some of it is missing. What they wrote past `print` counts.
bool script_group::has_lost_output() {
  const bool was_flushed = std::fflush(stdout) == 0;
  const int latest = was_flushed ? 0 : errno;
  if (was_flushed && std::ferror(stdout) == 0) return false;
  const int first = output_error_.load(std::memory_order_relaxed);
  const int why = first != 0 ? first : latest;
  std::fprintf(stderr, "detent: standard output: %s: some of what was printed is lost\n",
               why != 0 ? std::strerror(why) : "a write has failed");
  return true;
}

void script_group::list(const script& one) const {
  const char* name = one.source.name.c_str();
  std::size_t count = 0;
  for (const std::int64_t id : one.engine->timers().active()) {
    const auto told = one.engine->timers().status(id);
    if (!told) continue;
    ++count;
    std::fprintf(stderr, "%s: %s\n", name, text_of(*told).c_str());
  }
  std::fprintf(stderr, "%s: %s\n", name, count_text(count, "live timer").c_str());
}

/// Whether nobody has work. `begun` is how much work each loop has begun: filled if empty, else it has to be the same.
bool script_group::are_resting_locked(std::vector<std::uint64_t>& begun) const {
  const bool is_first = begun.empty();
  for (const auto& one : scripts_) {
    const std::uint64_t count = one->loop.begun_count();
    if (is_first) begun.push_back(count);
    if (begun[one->index] != count || !one->loop.is_resting()) return false;
  }
  return true;
}

/// Whether somebody has a timer that keeps the program: one that a mode has suspended does not, when nobody is left to
/// set the mode.
bool script_group::keeps_going_locked() const {
  return std::any_of(scripts_.begin(), scripts_.end(),
                     [](const auto& one) { return one->engine != nullptr && one->engine->timers().keeps_program(); });
}

/// Asked by each script that rests, in real time. It is all over when nobody has work, and no timer that could bring
/// any. One script after the other is looked at, and one at work may give work to another meanwhile: so nobody may have
/// begun any between the first look and the second.
bool script_group::goes_on() {
  {
    const std::lock_guard guard(lock_);
    std::vector<std::uint64_t> begun;
    if (begun_ != scripts_.size() || !are_resting_locked(begun)) return true;
    const bool keeps_going = keeps_going_locked();
    if (!are_resting_locked(begun) || keeps_going) return true;
  }
  stop_all();
  return false;
}

/// To the next script that has work; when there is none, time goes on to the next timer, and the first one that has
/// work then is next. False: it is all over.
bool script_group::pass_turn_locked() {
  for (;;) {
    for (std::size_t i = 1; i <= scripts_.size(); ++i) {
      const std::size_t next = (turn_ + i) % scripts_.size();
      if (!scripts_[next]->loop.has_work()) continue;
      turn_ = next;
      return true;
    }
    if (!keeps_going_locked() || clock_.step() == 0) return false;
    turn_ = scripts_.size() - 1;
  }
}

/// In virtual time one script works at a time, until it has no work left, so that each run is like the one before.
void script_group::take_turns(script& one) {
  std::unique_lock guard(lock_);
  for (bool goes_on = true; goes_on;) {
    changed_.wait(guard, [&] { return is_stopping_ || (begun_ == scripts_.size() && turn_ == one.index); });
    guard.unlock();
    while (!is_stopping() && one.loop.run_one()) {
    }
    guard.lock();
    goes_on = !is_stopping_ && pass_turn_locked();
    if (turn_ != one.index) changed_.notify_all();
  }
  guard.unlock();
  stop_all();
}

void script_group::stop_all() {
  {
    const std::lock_guard guard(lock_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  for (const auto& one : scripts_) one->loop.stop();
}

bool script_group::is_stopping() {
  const std::lock_guard guard(lock_);
  return is_stopping_;
}

/// In virtual time engines are made in order: what they join, as the modes, has the same order each time.
void script_group::await_making(const script& one) {
  std::unique_lock guard(lock_);
  changed_.wait(guard, [&] { return !options_.has_virtual_time || made_ == one.index; });
}

/// No script begins before all engines are there: the limit on the address space is for what scripts add to them. In
/// virtual time one begins after the other. False: there is none.
bool script_group::await_beginning(const script& one) {
  std::unique_lock guard(lock_);
  changed_.wait(guard, [&] {
    return is_stopping_ || (made_ == scripts_.size() && (!options_.has_virtual_time || begun_ == one.index));
  });
  return !is_stopping_;
}

void script_group::make_engine_of(script& one) {
  try {
    auto made = make_engine(one.source.name, one.loop, engine_options(one.source.name));
    const std::lock_guard guard(lock_);
    one.engine = std::move(made);
  } catch (const std::exception& reason) {
    tell_error(one.source.name + ": no engine: " + reason.what());
  }
}

void script_group::make(script& one) {
  make_engine_of(one);
  {
    const std::lock_guard guard(lock_);
    if (++made_ == scripts_.size() && options_.memory_limit_mb > 0) {
      constexpr double spare_mb = 256;
      limit_address_space((4 * options_.memory_limit_mb * static_cast<double>(scripts_.size()) + spare_mb) * 1e6);
    }
  }
  changed_.notify_all();
}

// Runs the script itself.
void script_group::begin(script& one) {
  if (one.engine == nullptr) return;
  const std::string& name = one.source.name;
  const auto outcome = one.engine->run(one.source.text, name);
  if (outcome.ended == script_outcome::kind::returned) return;
  tell_error(outcome.error.starts_with(name) ? outcome.error : name + ": " + outcome.error);
}

// On the script's thread, between two calls. What cannot be read, or has a wrong syntax, leaves the old one at work;
// that is no error of a script. The engine is another: nothing that the old one knew, waited for or had bound is left.
void script_group::reload(script& one) {
  if (is_stopping()) return;
  script_source fresh;
  std::string why = read_script(one.source.name, fresh);
  if (why.empty() && one.engine != nullptr) why = one.engine->check(fresh.text, fresh.name).error;
  if (!why.empty()) {
    std::fprintf(stderr, "%s: not loaded again, the former one goes on: %s\n", one.source.name.c_str(), why.c_str());
    return;
  }
  std::unique_ptr<scripting::script_engine> former;
  {
    const std::lock_guard guard(lock_);
    former = std::move(one.engine);
  }
  const std::size_t ended = former == nullptr ? 0 : former->timers().close().ended;
  former.reset();
  std::fprintf(stderr, "%s: loaded again, %s withdrawn\n", one.source.name.c_str(), count_text(ended, "timer").c_str());
  one.source.text = std::move(fresh.text);
  make_engine_of(one);
  begin(one);
}

void script_group::reload_all() {
  for (const auto& one : scripts_) one->loop.post([this, &one] { reload(*one); });
}

void script_group::live(script& one) {
  one.loop.adopt();
  await_making(one);
  make(one);
  if (await_beginning(one)) begin(one);
  {
    const std::lock_guard guard(lock_);
    ++begun_;
  }
  changed_.notify_all();
  if (options_.has_virtual_time) {
    take_turns(one);
  } else {
    one.loop.run([this] { return goes_on(); });
  }
  {
    const std::lock_guard guard(lock_);
    one.is_over = true;
    --living_;
  }
  signals_.tell();
}

void script_group::list_all() {
  const std::lock_guard guard(lock_);
  for (const auto& one : scripts_) {
    if (one->engine) {
      list(*one);
    } else {
      std::fprintf(stderr, "%s: no engine, no live timers\n", one->source.name.c_str());
    }
  }
}

void script_group::tell_who_is_at_work() {
  const std::lock_guard guard(lock_);
  for (const auto& one : scripts_) {
    if (one->is_over) continue;
    std::fprintf(stderr, "%s: a call of it does not return; it is waited for, and another signal ends all at once\n",
                 one->source.name.c_str());
  }
}

void script_group::wait_for_signals() {
  steady_clock::time_point stopped_at{};
  for (bool was_told = false;;) {
    const auto heard = signals_.wait(was_stopped_ && !was_told ? patience : for_ever);
    if (!heard) {
      was_told = true;
      tell_who_is_at_work();
    } else if (heard->number == signals_heard::nudge) {
      const std::lock_guard guard(lock_);
      if (living_ == 0) return;
    } else if (heard->number == SIGUSR1) {
      if (options_.lists) list_all();
    } else if (heard->number == SIGHUP) {
      reload_all();
    } else if (!was_stopped_) {
      was_stopped_ = true;
      stopped_at = heard->at;
      stop_all();
    } else if (heard->at - stopped_at >= same_request) {
      _exit(128 + heard->number);  // a script that does not return is not waited for twice
    }
  }
}

/// The program may be over for what somebody still counts on: timers that are paused, functions that wait, and in
/// virtual time timers that no time ends: their delay is beyond all time there is.
void script_group::tell_what_is_left(const script& one) const {
  const char* const name = one.source.name.c_str();
  const script_timers& timers = one.engine->timers();
  std::size_t still = 0;
  std::size_t waiters = 0;
  std::size_t never_due = 0;
  for (const std::int64_t id : timers.active()) {
    const auto told = timers.status(id);
    if (!told) continue;
    if (told->state == script_timer_state::paused || told->state == script_timer_state::suspended) ++still;
    if (told->state == script_timer_state::armed && timers.keeping(id) == script_keeping::kept) ++never_due;
    waiters += told->waiters;
  }
  if (still + waiters != 0) {
    std::fprintf(stderr, "%s: over, with %s paused or suspended, and %s\n", name, count_text(still, "timer").c_str(),
                 count_text(waiters, "waiter").c_str());
  }
  if (never_due != 0) {
    std::fprintf(stderr, "%s: over, with %s never due: so long a delay has no end\n", name,
                 count_text(never_due, "timer").c_str());
  }
}

// On the main thread, when all others have ended: the engine's thread is this one now.
void script_group::end(script& one) {
  if (one.engine == nullptr) return;
  one.loop.adopt();
  if (options_.lists) list(one);
  if (!was_stopped_) tell_what_is_left(one);
  const std::size_t ended = one.engine->timers().close().ended;
  if (was_stopped_) {
    std::fprintf(stderr, "%s: stopped, %s withdrawn\n", one.source.name.c_str(), count_text(ended, "timer").c_str());
  }
  one.engine.reset();
  one.loop.run_posted();
}

exit_status script_group::run(std::vector<script_source> sources) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // what a script prints is seen when it happens, in a pipe too
  living_ = sources.size();
  for (script_source& source : sources) {
    scripts_.push_back(std::make_unique<script>());
    scripts_.back()->source = std::move(source);
    scripts_.back()->index = scripts_.size() - 1;
  }
  std::vector<std::thread> threads;
  for (const auto& one : scripts_) threads.emplace_back([this, &one] { live(*one); });
  wait_for_signals();
  for (std::thread& thread : threads) thread.join();
  for (const auto& one : scripts_) end(*one);
  if (has_lost_output()) return exit_status::violation;
  return had_error_.load(std::memory_order_relaxed) ? exit_status::violation : exit_status::in_order;
}

}  // namespace detent::cli
