// The scripts of one `detent run`: one thread and one engine each, one service for their modes.
#pragma once

#include "command_line.hpp"

#include <detent/detent.hpp>
#include <detent/modes.hpp>
#include <detent/script_loop.hpp>

#include <atomic>
#include <bindings/engine/script_engine.hpp>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <string>
#include <vector>

namespace detent::cli {

struct script_source {
  std::string name;
  std::string text;
};

class script_group {
 public:
  script_group(const run_options& options, std::vector<std::string> arguments);

  /// Blocks until no script has anything left to do, or SIGINT or SIGTERM has come; the signals are this thread's
  /// meanwhile. Once.
  exit_status run(std::vector<script_source> sources);

 private:
  struct script {
    script_source source;
    script_loop loop;
    std::unique_ptr<scripting::script_engine> engine;  // made on its thread, destroyed when that has ended
  };

  service_options clock_options();
  scripting::engine_options engine_options(const std::string& name);
  void live(script& one);
  void begin(script& one);
  void live_in_virtual_time(script& one);
  bool has_all_ended();
  void stop_all();
  void list(const script& one) const;
  void wait_for_signals();
  void end(script& one);
  void tell_error(const std::string& error);
  void print(const std::string& line) const;

  const run_options options_;
  const std::vector<std::string> arguments_;
  manual_clock clock_;
  timer_service service_;  // its clock is the modes'
  modes modes_;
  const steady_clock::time_point begin_ = service_.now();
  const pthread_t main_ = pthread_self();
  std::vector<std::unique_ptr<script>> scripts_;
  std::mutex lock_;                       // of which engines there are
  std::size_t living_ = 0;                // guarded by lock_: scripts whose thread is at work
  std::size_t begun_ = 0;                 // guarded by lock_: scripts that have been run to their end, or first sleep
  bool was_stopped_ = false;              // the main thread's
  std::atomic<bool> is_stopping_{false};  // set by the main thread, asked by scripts' threads
  std::atomic<bool> had_error_{false};    // set by scripts' threads; the main thread reads it when they are joined
};

}  // namespace detent::cli
