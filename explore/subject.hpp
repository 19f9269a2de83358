// subject: one timer, everything that scenarios do to it, and a ledger that has to come out even.
//
// Whatever the schedule: each pending firing has exactly one end; calls never overlap; what was written before an
// arming is read in its call, what a call wrote is read after a wait; after a close that answered quiet nothing runs
// and the captures are destroyed, once; no firing is early, and with time standing still none is late.
#pragma once

#include "explore/execution.hpp"

#include <detent/detent.hpp>

#include <cstdint>
#include <memory>
#include <optional>

namespace detent::explore {

enum class verb : std::uint8_t { arm, postpone, cancel, close, destroy, wait, fire, shutdown };

struct subject_options {
  executor_choice executor = on_driver{};
  bool in_serial_group = false;
  bool by_id = false;     // verbs name the timer by its id: somebody destroys the handle
  int rearms_itself = 0;  // times
  bool closes_itself = false;
};

class subject {
 public:
  static constexpr int slots = 6;  // one for each arming of a scenario: its deadline tells which one fires
  static constexpr std::int64_t far_ns = 3'600'000'000'000;

  explicit subject(const subject_options& how = {});
  ~subject() { finish(); }
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;

  // In the set-up: a firing that is due, and the driver about to look; or one in an hour, and the driver asleep.
  void begin_due() { arm_in(slots - 1, false); }
  void begin_far() {
    arm_in(slots - 1, true);
    settle();
  }

  void note_armers(int parties) noexcept { armers_ = parties; }
  void perform(verb what, int party);
  // Once the parties are over: time goes on, nothing may be left pending, and the ledger is closed.
  void finish();

  timer_service& service() noexcept { return *service_; }
  std::optional<timer>& handle() noexcept { return timer_; }
  timer_id id() const noexcept { return id_; }

 private:
  struct capture;

  std::int64_t deadline_of(int slot, bool far) const noexcept {
    return start_ns_ - 1024 + 8 * slot + (far ? far_ns : 0);
  }
  void arm_in(int slot, bool far);
  void note_withdrawn(cancel_result found) noexcept;
  void note_quiet() noexcept;
  void called(firing& now);
  bool others_arm() const noexcept { return armers_ > 0 || how_.rearms_itself > 0; }

  void cancel();
  void close();
  void destroy();
  void wait();
  void shut_down();

  const subject_options how_;
  const std::int64_t start_ns_ = now_ns();
  std::unique_ptr<timer_service> service_;
  std::optional<timer_group> group_;
  std::optional<timer> timer_;
  timer_id id_{};

  // Read and written as the memory model has it.
  plain<int> written_before_arming_[slots];
  plain<int> written_by_calls_;

  // What really happened, in the order of the steps: nobody's memory.
  int armers_ = 0;
  int armed_ = 0;
  int fired_ = 0;
  int withdrawn_ = 0;
  int shutdown_withdrew_ = 0;  // every caller gets the same report
  int unseen_ends_ = 0;        // of a destructor: it does not say whether a firing was pending
  int captures_destroyed_ = 0;
  bool in_call_ = false;
  bool is_quiet_for_ever_ = false;
  bool finished_ = false;
};

// Both verbs at once, and the driver.
void run_pair(verb first, verb second);

}  // namespace detent::explore
