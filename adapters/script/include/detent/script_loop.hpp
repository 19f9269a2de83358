// script_loop: a queue of work for one thread, for hosts of engines that bring no loop of their own.
#pragma once

#include <detent/script.hpp>
#include <detent/version.hpp>

#include <cstdint>
#include <memory>

DETENT_BEGIN_NAMESPACE

/// Work in the order in which it was posted, run by the thread that calls `run` and `run_one`.
///
///   Verbs           block   threads
///   post, stop      never   any
///   run             yes     the one that called `adopt`, by default the creating one
///   destructor      never   exclusive; work that was not run is destroyed
class script_loop {
 public:
  script_loop();
  script_loop(const script_loop&) = delete;
  script_loop& operator=(const script_loop&) = delete;
  ~script_loop();

  /// Makes the calling thread the loop's.
  void adopt() noexcept;
  bool is_own_thread() const noexcept;

  void post(script_task work);
  /// Ends `run` as soon as the work in progress has returned. Work may still be posted, and run by `run_posted`.
  void stop() noexcept;
  /// Runs work until `stop` was called, or `goes_on`, asked before each wait, answers false.
  void run(const detail::hook<bool()>& goes_on);
  /// Runs the first work, if there is any, without waiting. False: there was none.
  bool run_one();
  /// Runs what has been posted until now and what that posts, without waiting.
  void run_posted();
  /// Any thread: there is work that has not begun.
  bool has_work() const;
  /// Any thread: `run` has nothing to run. The question to it, whether it goes on, counts as rest.
  bool is_resting() const;
  /// Any thread: how much work has been taken from the queue so far. Between two looks that find it resting, with the
  /// same number before the first and at the second, nothing ran.
  std::uint64_t begun_count() const;

 private:
  struct body;
  std::unique_ptr<body> body_;
};

DETENT_END_NAMESPACE
