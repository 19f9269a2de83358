// script_run: one thread and one engine for each script; the main thread waits for signals.
#include "script_run.hpp"

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#if defined(DETENT_WITH_LUA)
#include <detent/detent.hpp>
#include <detent/modes.hpp>
#include <detent/script.hpp>
#include <detent/script_loop.hpp>

#include <algorithm>
#include <atomic>
#include <bindings/lua/lua_engine.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <thread>
#include <unistd.h>
#endif

namespace detent::cli {
namespace {

bool ends_with(const std::string& name, const std::string& end) {
  return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

bool is_script(const std::string& name) { return ends_with(name, ".lua") || ends_with(name, ".js"); }

#if defined(DETENT_WITH_LUA)

/// Tells the main thread, which waits for signals, that the last script has ended.
constexpr int ended_signal = SIGUSR2;

/// What the scripts of one call share.
class script_group {
 public:
  script_group(const run_options& options, std::vector<std::string> arguments)
      : options_(options), arguments_(std::move(arguments)), service_(options_of()), modes_(service_) {}

  exit_status run(const std::vector<std::pair<std::string, std::string>>& scripts);

 private:
  struct script {
    std::string name;
    std::string text;
    script_loop loop;
    std::optional<lua::engine> engine;  // made and destroyed by its thread
  };

  service_options options_of() {
    service_options made;
    if (options_.has_virtual_time) made.clock = &clock_;
    made.executor = on_driver{};
    return made;
  }
  lua::options engine_options(const std::string& name);
  void live(script& one);
  void live_in_virtual_time(script& one);
  bool has_all_ended();
  void stop_all();
  void list(script& one) const;
  void wait_for_signals();

  const run_options options_;
  const std::vector<std::string> arguments_;
  manual_clock clock_;
  timer_service service_;
  modes modes_;
  std::vector<std::unique_ptr<script>> scripts_;
  std::mutex lock_;                   // of which engines there are
  std::size_t living_ = 0;            // guarded by lock_: scripts whose thread is at work
  std::size_t begun_ = 0;             // guarded by lock_: scripts that have been run to their end, or first sleep
  bool were_stopped_ = false;         // guarded by lock_
  std::atomic<bool> stopped_{false};  // for the one in virtual time
  std::atomic<bool> had_error_{false};
  pthread_t main_ = pthread_self();
};

lua::options script_group::engine_options(const std::string& name) {
  lua::options made;
  made.timers.rules = options_.has_web_rules ? script_rules::web : script_rules::havel;
  made.timers.name = name.substr(name.rfind('/') + 1).substr(0, 8);
  if (options_.has_virtual_time) made.timers.clock = &clock_;
  made.call_limit = std::chrono::nanoseconds(static_cast<std::int64_t>(options_.call_limit_ms * 1e6));
  made.memory_limit_bytes = static_cast<std::size_t>(options_.memory_limit_mb * 1e6);
  made.shared_modes = &modes_;
  made.arguments = arguments_;
  made.on_error = [this](const std::string& error) {
    had_error_.store(true);
    std::fprintf(stderr, "%s\n", error.c_str());
  };
  return made;
}

void script_group::list(script& one) const {
  static constexpr const char* states[] = {"armed", "running", "paused", "suspended"};
  std::size_t count = 0;
  for (const std::int64_t id : one.engine->timers().active()) {
    const auto told = one.engine->timers().status(id);
    if (!told) continue;
    ++count;
    std::fprintf(stderr, "%s: timer %lld %s %s, due in %.1f ms, every %.0f ms, %llu calls, latest %.3f ms late\n",
                 one.name.c_str(), static_cast<long long>(id),
                 told->kind == script_timer_kind::interval ? "interval" : "timeout",
                 states[static_cast<std::size_t>(told->state)], told->remaining_ms, told->period_ms,
                 static_cast<unsigned long long>(told->fires), told->lateness_ms);
  }
  std::fprintf(stderr, "%s: %zu live timers\n", one.name.c_str(), count);
}

/// Nobody has work, and no timer that could bring any. A timer suspended by a mode counts as long as somebody could set
/// the mode.
bool script_group::has_all_ended() {
  const std::lock_guard guard(lock_);
  if (begun_ != scripts_.size()) return false;
  const auto rests = [](const auto& one) { return one->loop.is_resting(); };
  const auto waits_for_none = [](const auto& one) { return one->engine->timers().kept_count() == 0; };
  return std::all_of(scripts_.begin(), scripts_.end(), rests) &&
         std::all_of(scripts_.begin(), scripts_.end(), waits_for_none);
}

void script_group::stop_all() {
  stopped_.store(true);
  for (const auto& one : scripts_) one->loop.stop();
}

void script_group::live_in_virtual_time(script& one) {
  one.loop.run_posted();
  while (!stopped_.load() && one.engine->timers().kept_count() != 0 && clock_.step() != 0) one.loop.run_posted();
}

void script_group::live(script& one) {
  one.loop.adopt();
  {
    const std::lock_guard guard(lock_);
    one.engine.emplace(one.loop, engine_options(one.name));
  }
  if (const auto outcome = one.engine->run(one.text, one.name); outcome.ended != script_outcome::kind::returned) {
    had_error_.store(true);
    std::fprintf(stderr, "%s\n", outcome.error.c_str());
  }
  {
    const std::lock_guard guard(lock_);
    ++begun_;
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

void script_group::wait_for_signals() {
  sigset_t awaited;
  sigemptyset(&awaited);
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, ended_signal}) sigaddset(&awaited, number);
  for (bool was_asked = false;;) {
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
    if (std::exchange(was_asked, true)) _exit(128 + number);
    {
      const std::lock_guard guard(lock_);
      were_stopped_ = true;
    }
    stop_all();
  }
}

exit_status script_group::run(const std::vector<std::pair<std::string, std::string>>& scripts) {
  // Inherited by all threads: signals are the main thread's.
  sigset_t blocked;
  sigset_t former;
  sigemptyset(&blocked);
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, ended_signal}) sigaddset(&blocked, number);
  pthread_sigmask(SIG_BLOCK, &blocked, &former);
  living_ = scripts.size();
  for (const auto& [name, text] : scripts) {
    scripts_.push_back(std::make_unique<script>());
    scripts_.back()->name = name;
    scripts_.back()->text = text;
  }
  std::vector<std::thread> threads;
  for (const auto& one : scripts_) threads.emplace_back([this, &one] { live(*one); });
  wait_for_signals();
  for (std::thread& thread : threads) thread.join();
  // The engines end one after the other, on this thread now.
  for (const auto& one : scripts_) {
    one->loop.adopt();
    if (options_.lists) list(*one);
    const std::size_t ended = one->engine->timers().close().ended;
    if (were_stopped_) std::fprintf(stderr, "%s: stopped, %zu timers withdrawn\n", one->name.c_str(), ended);
    one->engine.reset();
    one->loop.run_posted();
  }
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
  return had_error_.load() ? exit_status::violation : exit_status::in_order;
}

#endif

}  // namespace

exit_status run_scripts(const run_options& options) {
  std::vector<std::pair<std::string, std::string>> scripts;
  std::size_t at = 0;
  const auto& words = options.files_and_arguments;
  for (; at < words.size() && is_script(words[at]); ++at) {
    std::ifstream file(words[at], std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf())) {
      std::cerr << "detent: " << words[at] << " cannot be read\n";
      return exit_status::cannot_begin;
    }
    scripts.emplace_back(words[at], text.str());
    if (ends_with(words[at], ".js")) {
      std::cerr << "detent: " << words[at] << ": this build has no JavaScript engine\n";
      return exit_status::cannot_begin;
    }
  }
  if (scripts.empty()) {
    std::cerr << "detent: " << words.front() << " is no script: its name ends neither in .lua nor in .js\n";
    return exit_status::cannot_begin;
  }
#if defined(DETENT_WITH_LUA)
  if (options.has_virtual_time && scripts.size() > 1) {
    std::cerr << "detent: --clock manual runs one script: two would disagree about the time\n";
    return exit_status::cannot_begin;
  }
  return script_group(options, {words.begin() + static_cast<std::ptrdiff_t>(at), words.end()}).run(scripts);
#else
  std::cerr << "detent: this build has no Lua engine (liblua5.4-dev was missing)\n";
  return exit_status::cannot_begin;
#endif
}

}  // namespace detent::cli
