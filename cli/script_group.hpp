// The scripts of one `detent run`: one thread and one engine each, one service for their modes.
#pragma once

#include "command_line.hpp"
#include "script_source.hpp"
#include "signals_heard.hpp"

#include <detent/detent.hpp>
#include <detent/modes.hpp>
#include <detent/script_loop.hpp>

#include <atomic>
#include <bindings/engine/script_engine.hpp>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace detent::cli {

class script_group {
 public:
  script_group(const run_options& options, std::vector<std::string> arguments);

  /// Blocks until no script has anything left to do, or SIGINT or SIGTERM has come; the signals are this thread's
  /// meanwhile. Once.
  exit_status run(std::vector<script_source> sources);

 private:
  struct script {
    script_source source;
    std::size_t index = 0;
    bool is_over = false;  // guarded by lock_: its thread is at its end
    script_loop loop;
    std::unique_ptr<scripting::script_engine> engine;  // made on its thread; guarded by lock_ until that has ended
  };

  service_options clock_options();
  scripting::engine_options engine_options(const std::string& name);
  void live(script& one);
  void make(script& one);
  void make_engine_of(script& one);
  void begin(script& one);
  void reload(script& one);
  void reload_all();
  void tell_what_is_left(const script& one) const;
  void await_making(const script& one);
  bool await_beginning(const script& one);
  bool is_stopping();
  bool goes_on();
  bool keeps_going_locked() const;
  void take_turns(script& one);
  bool pass_turn_locked();
  bool are_resting_locked(std::vector<std::uint64_t>& begun) const;
  void stop_all();
  void list(const script& one) const;
  void list_all();
  void wait_for_signals();
  void tell_who_is_at_work();
  void end(script& one);
  void tell_error(const std::string& error);
  void print(std::FILE* where, const std::string& line);
  bool has_lost_output();

  const run_options options_;
  const std::vector<std::string> arguments_;
  manual_clock clock_;
  timer_service service_;  // its clock is the modes'
  modes modes_;
  const steady_clock::time_point begin_ = service_.now();
  signals_heard signals_{options_.reloads};
  std::vector<std::unique_ptr<script>> scripts_;
  std::mutex lock_;                     // of which engines there are
  std::size_t living_ = 0;              // guarded by lock_: scripts whose thread is at work
  std::size_t made_ = 0;                // guarded by lock_: scripts whose engine was made, or could not be
  std::size_t begun_ = 0;               // guarded by lock_: scripts that have been run to their end, or first sleep
  std::size_t turn_ = 0;                // guarded by lock_: whose turn it is in virtual time, when all have begun
  std::condition_variable changed_;     // of what `await_...` and `take_turns` look at
  bool is_stopping_ = false;            // guarded by lock_
  bool was_stopped_ = false;            // the main thread's
  std::atomic<bool> had_error_{false};  // set by scripts' threads; the main thread reads it when they are joined
  std::atomic<int> output_error_{0};    // the first one, of `print`; touched as the one above
};

}  // namespace detent::cli
