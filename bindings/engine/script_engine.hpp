// script_engine: what the engines have in common, so that a program can run any of them.
#pragma once

#include <detent/modes.hpp>
#include <detent/script.hpp>
#include <detent/script_loop.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace detent::scripting {

struct engine_options {
  script_options timers{};
  duration call_limit{0};              // above 0: a call that takes longer ends with an error
  std::size_t memory_limit_bytes = 0;  // above 0: of the engine's heap
  modes* shared_modes = nullptr;       // without them scripts have no `mode`; they outlive the engine
  std::vector<std::string> arguments{};
  detail::hook<void(const std::string& error)> on_error{};       // default: to standard error; on the engine's thread
  detail::hook<void(const std::string& line)> on_print{};        // default: to standard output; on the engine's thread
  detail::hook<void(const std::string& line)> on_print_error{};  // of console.error; default: to standard error
};

/// One engine, its heap and its timers.
///
///   Verbs              block                 threads
///   construction, run  run the script        the loop's
///   check              never                 the loop's
///   destructor         never                 the loop's; not inside a call of the script
///   timers             never                 any
class script_engine {
 public:
  script_engine() = default;
  script_engine(const script_engine&) = delete;
  script_engine& operator=(const script_engine&) = delete;
  virtual ~script_engine() = default;

  /// Runs the text until it ends or first sleeps. `name` is how errors call it.
  virtual script_outcome run(const std::string& text, const std::string& name) = 0;
  /// Only reads it: whether `run` could begin.
  virtual script_outcome check(const std::string& text, const std::string& name) = 0;
  virtual script_timers& timers() noexcept = 0;
  /// Of the heap, after a full collection.
  virtual std::size_t collected_memory_bytes() = 0;
};

/// The way of work to an engine's thread. The loop may go on without the engine: what was posted for an engine that has
/// gone comes to nothing. Made and destroyed on the loop's thread, `post` on any.
class engine_queue {
 public:
  explicit engine_queue(script_loop& loop) : loop_(loop) {}
  engine_queue(const engine_queue&) = delete;
  engine_queue& operator=(const engine_queue&) = delete;
  ~engine_queue() { *is_open_ = false; }

  void post(script_task work) {
    loop_.post([is_open = is_open_, work = std::move(work)] {
      if (*is_open) work();
    });
  }
  bool is_own_thread() const noexcept { return loop_.is_own_thread(); }

 private:
  script_loop& loop_;
  const std::shared_ptr<bool> is_open_ = std::make_shared<bool>(true);  // the value is the loop's thread's
};

/// Why `verb` made no timer, in a script's error.
std::string refusal_of(const std::string& verb, script_creation why, const engine_options& options,
                       const script_timers& timers);

/// Why a call was interrupted.
std::string words_of_call_limit(const engine_options& options);

/// What an engine says of an error, and of a line printed, where its options leave that open.
void tell_error(const engine_options& options, std::int64_t id, const std::string& error);
void tell_line(const engine_options& options, const std::string& line);
void tell_error_line(const engine_options& options, const std::string& line);

}  // namespace detent::scripting
