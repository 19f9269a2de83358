// Ctrl-C: asks the replay to end early and to report what it has seen until then.
#pragma once

#include <atomic>
#include <signal.h>

namespace detent::cli {

/// While it lives, the first SIGINT or SIGTERM sets the flag; another one, 0.2 s later or more, ends the process as
/// usual. One at a time.
class interruption {
 public:
  interruption();
  ~interruption();
  interruption(const interruption&) = delete;
  interruption& operator=(const interruption&) = delete;

  static const std::atomic<bool>& asked() noexcept;

 private:
  struct sigaction former_interrupt_ {};
  struct sigaction former_terminate_ {};
};

}  // namespace detent::cli
