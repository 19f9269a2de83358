// script_group: threads, signals, and when it is all over.
#include "script_group.hpp"

#include "script_engines.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace detent::cli {
namespace {

/// Tells the main thread, which waits for signals, that the last script has ended.
constexpr int ended_signal = SIGUSR2;

sigset_t signals_of_main() {
  sigset_t made;
  sigemptyset(&made);
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, ended_signal}) sigaddset(&made, number);
  return made;
}

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
  made.call_limit = std::chrono::nanoseconds(static_cast<std::int64_t>(options_.call_limit_ms * 1e6));
  made.memory_limit_bytes = static_cast<std::size_t>(options_.memory_limit_mb * 1e6);
  made.shared_modes = &modes_;
  made.arguments = arguments_;
  made.on_error = [this, name](const std::string& error) { tell_error(name + ": " + error); };
  made.on_print = [this](const std::string& line) { print(line); };
  return made;
}

void script_group::tell_error(const std::string& error) {
  had_error_.store(true, std::memory_order_relaxed);
  std::fprintf(stderr, "%s\n", error.c_str());
}

void script_group::print(const std::string& line) const {
  if (options_.has_timestamps) {
    const double ms = std::chrono::duration<double, std::milli>(service_.now() - begin_).count();
    std::fprintf(stdout, "%12.3f ms  %s\n", ms, line.c_str());
  } else {
    std::fprintf(stdout, "%s\n", line.c_str());
  }
}

void script_group::list(const script& one) const {
  static constexpr const char* states[] = {"armed", "running", "paused", "suspended"};
  const char* name = one.source.name.c_str();
  std::size_t count = 0;
  for (const std::int64_t id : one.engine->timers().active()) {
    const auto told = one.engine->timers().status(id);
    if (!told) continue;
    ++count;
    std::fprintf(stderr, "%s: timer %lld %s %s, due in %.1f ms, every %.0f ms, %llu calls, latest %.3f ms late\n", name,
                 static_cast<long long>(id), told->kind == script_timer_kind::interval ? "interval" : "timeout",
                 states[static_cast<std::size_t>(told->state)], told->remaining_ms, told->period_ms,
                 static_cast<unsigned long long>(told->fires), told->lateness_ms);
  }
  std::fprintf(stderr, "%s: %zu live timers\n", name, count);
}

/// Nobody has work, and no timer that could bring any. A timer suspended by a mode counts as long as somebody could set
/// the mode.
bool script_group::has_all_ended() {
  const std::lock_guard guard(lock_);
  return begun_ == scripts_.size() && std::all_of(scripts_.begin(), scripts_.end(), [](const auto& one) {
           return one->loop.is_resting() && (one->engine == nullptr || one->engine->timers().kept_count() == 0);
         });
}

void script_group::stop_all() {
  is_stopping_.store(true, std::memory_order_relaxed);
  for (const auto& one : scripts_) one->loop.stop();
}

// Makes the engine and runs the script itself.
void script_group::begin(script& one) {
  try {
    auto made = make_engine(one.source.name, one.loop, engine_options(one.source.name));
    const std::lock_guard guard(lock_);
    one.engine = std::move(made);
  } catch (const std::exception& reason) {
    return tell_error(one.source.name + ": no engine: " + reason.what());
  }
  const auto outcome = one.engine->run(one.source.text, one.source.name);
  if (outcome.ended != script_outcome::kind::returned) tell_error(outcome.error);
}

void script_group::live(script& one) {
  one.loop.adopt();
  begin(one);
  {
    const std::lock_guard guard(lock_);
    if (++begun_ == scripts_.size() && options_.memory_limit_mb > 0) {
      constexpr double spare_mb = 256;
      limit_address_space((4 * options_.memory_limit_mb * static_cast<double>(scripts_.size()) + spare_mb) * 1e6);
    }
  }
  if (options_.has_virtual_time) {
    live_in_virtual_time(one);
  } else {
    one.loop.run([this] {
      if (!has_all_ended()) return true;
      stop_all();
      return false;
    });
  }
  bool is_last = false;
  {
    const std::lock_guard guard(lock_);
    is_last = --living_ == 0;
  }
  if (is_last) pthread_kill(main_, ended_signal);
}

void script_group::live_in_virtual_time(script& one) {
  one.loop.run_posted();
  if (one.engine == nullptr) return;
  while (!is_stopping_.load(std::memory_order_relaxed) && one.engine->timers().kept_count() != 0 && clock_.step() != 0)
    one.loop.run_posted();
}

void script_group::wait_for_signals() {
  const sigset_t awaited = signals_of_main();
  for (;;) {
    int number = 0;
    sigwait(&awaited, &number);
    if (number == ended_signal) return;
    if (number == SIGUSR1) {
      if (!options_.lists) continue;
      const std::lock_guard guard(lock_);
      for (const auto& one : scripts_) {
        if (one->engine) list(*one);
      }
      continue;
    }
    // A script that does not return is not waited for twice.
    if (std::exchange(was_stopped_, true)) _exit(128 + number);
    stop_all();
  }
}

// On the main thread, when all others have ended: the engine's thread is this one now.
void script_group::end(script& one) {
  if (one.engine == nullptr) return;
  one.loop.adopt();
  if (options_.lists) list(one);
  const std::size_t ended = one.engine->timers().close().ended;
  if (was_stopped_) std::fprintf(stderr, "%s: stopped, %zu timers withdrawn\n", one.source.name.c_str(), ended);
  one.engine.reset();
  one.loop.run_posted();
}

exit_status script_group::run(std::vector<script_source> sources) {
  // Inherited by all threads: signals are the main thread's.
  const sigset_t blocked = signals_of_main();
  sigset_t former;
  pthread_sigmask(SIG_BLOCK, &blocked, &former);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // what a script prints is seen when it happens, in a pipe too
  living_ = sources.size();
  for (script_source& source : sources) {
    scripts_.push_back(std::make_unique<script>());
    scripts_.back()->source = std::move(source);
  }
  std::vector<std::thread> threads;
  for (const auto& one : scripts_) threads.emplace_back([this, &one] { live(*one); });
  wait_for_signals();
  for (std::thread& thread : threads) thread.join();
  for (const auto& one : scripts_) end(*one);
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
  return had_error_.load(std::memory_order_relaxed) ? exit_status::violation : exit_status::in_order;
}

}  // namespace detent::cli
