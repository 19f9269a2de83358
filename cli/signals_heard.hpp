// signals_heard: signals and words of other threads as one queue for the thread that waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <signal.h>

namespace detent::cli {

/// While it lives, SIGINT, SIGTERM and SIGUSR1 are taken down and nothing else; what was ignored before stays so. They
/// are handled, not blocked, so that the children of a script get them as usual. One at a time. SIGHUP is on request,
/// and then also where it was ignored, as behind `nohup`.
class signals_heard {
 public:
  static constexpr int nudge = 0;  // what `tell` says
  struct word {
    int number = nudge;
    std::chrono::steady_clock::time_point at{};  // when it came, not when it is read
  };

  /// Before there is one, and before any thread: SIGUSR1, and SIGHUP on request, wait until it hears them, and end
  /// nothing. SIGINT and SIGTERM still end what has not begun.
  static void hold(bool hears_hangup) noexcept;

  explicit signals_heard(bool hears_hangup);
  ~signals_heard();
  signals_heard(const signals_heard&) = delete;
  signals_heard& operator=(const signals_heard&) = delete;

  /// Any thread: `wait` answers `nudge`.
  void tell() noexcept;
  /// The next one, in the order in which they came; blocks at most this long, negative: for ever.
  std::optional<word> wait(std::chrono::milliseconds limit);

 private:
  std::size_t count_;  // of the signals heard
  struct sigaction former_[4]{};
};

}  // namespace detent::cli
