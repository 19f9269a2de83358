// spin_budget: how long before an instant the driver should stop sleeping and look at the clock instead, so that it is
// there in time, while it spends no more than a share of one CPU on that.
//
// The lead follows what the OS needs to wake this thread: three steps up when it came late, one down when it was in
// time, so about three sleeps of four end before the instant. What may be spent grows with time, and so does what is
// kept of it, up to a tenth of a second's worth: a burst of instants may use it, an idle service saves nothing up.
//
// Threads: the driver's alone. Knows no clock: readings are parameters.
#pragma once

#include <cstdint>

namespace detent::inline v0::detail {

class spin_budget {
 public:
  explicit spin_budget(unsigned percent) noexcept : percent_(percent < 100 ? percent : 100) {}

  // How long before its end a sleep that begins at `now_ns` has to end; 0: sleep to the end, nothing is left to spend.
  std::int64_t lead_ns(std::int64_t now_ns) noexcept {
    if (percent_ == 0) return 0;
    if (seen_ns_ != 0 && now_ns > seen_ns_) {
      // A second and more of time fills it anyhow: no overflow for a sleep of years.
      const std::int64_t passed_ns = now_ns - seen_ns_ < second_ns ? now_ns - seen_ns_ : second_ns;
      left_ns_ += passed_ns * percent_ / 100;
    }
    seen_ns_ = now_ns;
    const std::int64_t most_ns = second_ns / 10 * percent_ / 100;
    if (left_ns_ > most_ns) left_ns_ = most_ns;
    return left_ns_ >= lead_ns_ ? lead_ns_ : 0;
  }

  // The sleep should have ended `asked_ns`, ended `woke_ns`, and the looking at the clock `until_ns`.
  void note(std::int64_t asked_ns, std::int64_t woke_ns, std::int64_t until_ns) noexcept {
    left_ns_ -= until_ns - woke_ns;
    lead_ns_ += woke_ns - asked_ns > lead_ns_ ? 3 * step_ns : -step_ns;
    if (lead_ns_ < least_lead_ns) lead_ns_ = least_lead_ns;
    if (lead_ns_ > most_lead_ns) lead_ns_ = most_lead_ns;
  }

 private:
  static constexpr std::int64_t second_ns = 1'000'000'000;
  static constexpr std::int64_t step_ns = 1'000;
  static constexpr std::int64_t least_lead_ns = 2'000;
  static constexpr std::int64_t most_lead_ns = 200'000;

  const std::int64_t percent_;
  std::int64_t lead_ns_ = 60'000;
  std::int64_t left_ns_ = 0;
  std::int64_t seen_ns_ = 0;
};

}  // namespace detent::inline v0::detail
