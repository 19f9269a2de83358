// The life of every timer in a trace: what its owner did to it, in the order recorded.
#pragma once

#include "trace_deadlines.hpp"
#include "trace_event.hpp"
#include "trace_operation.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace detent::cli {

/// Events as recorded, and what they came to when they were folded, for one of the kernel's two facilities.
struct family_counts {
  std::uint64_t start_events = 0;
  std::uint64_t cancel_events = 0;
  std::uint64_t expire_events = 0;
  std::uint64_t arms = 0;
  std::uint64_t rearms = 0;
  std::uint64_t cancels = 0;
  std::uint64_t expiries = 0;
};

/// Everything that did not fit the picture of arm, then one end, by name.
struct life_counts {
  family_counts wheel;
  family_counts hrtimer;
  std::uint64_t first_seen_by_cancel = 0;  ///< armed before the recording began; nothing to replay
  std::uint64_t first_seen_by_expiry = 0;
  std::uint64_t cancelled_while_idle = 0;  ///< no start was recorded; nothing to replay
  std::uint64_t expired_while_idle = 0;
  std::uint64_t ends_not_seen = 0;     ///< armed again with another function without an end; counted as a cancel
  std::uint64_t addresses_reused = 0;  ///< armed with another function after its end: another timer in the same memory
  std::uint64_t armed_at_end = 0;      ///< timers
  deadline_counts deadlines;
  std::uint64_t time_went_back = 0;  ///< events stamped before their predecessor in the file
  std::uint64_t lost_markers = 0;
  std::uint64_t lost_events = 0;  ///< as far as the markers tell
};

struct rebuilt_trace {
  std::vector<operation> operations;
  std::vector<traced_timer> timers;
  std::vector<std::string> functions;
  life_counts counts;
  std::uint32_t hz = 0;  ///< 0 when the trace holds no wheel timer
  bool hz_was_given = false;
  std::uint32_t cpus = 0;          ///< highest CPU number seen plus one
  std::int64_t length_ns = 0;      ///< from the first event to the last
  std::int64_t started_at_ns = 0;  ///< the first event's time on the trace's clock
};

/// Takes the events in the order of the file and folds them: the kernel writes a cancel also before every expiry and
/// inside every re-arm. What a cancel was is therefore known only when the same timer's next event comes; until then it
/// is the timer's last operation and may still be turned into something else.
class trace_life {
 public:
  /// A cancel and a start of one timer on one CPU this close together are one re-arm.
  static constexpr std::int64_t rearm_window_ns = 10'000;

  void add(const trace_event& event);
  void add(const lost_marker& marker);

  /// Once, at the end. Throws `unknown_jiffies_rate` if the trace has wheel timers, `hz` is empty and the rate cannot
  /// be derived.
  rebuilt_trace finish(std::optional<std::uint32_t> hz);

 private:
  enum class phase : std::uint8_t {
    idle,
    armed,
    cancelling,       ///< the last event cancelled an arming we know of
    cancelling_blind  ///< the last event cancelled an arming we have not seen
  };

  struct history {
    std::uint32_t timer = 0;
    phase now = phase::idle;
    bool seen = false;         ///< any event of this address
    bool seen_start = false;   ///< then `timer` is valid
    bool blind_first = false;  ///< cancelling_blind: that cancel was the first event of this address
    std::uint16_t cancel_cpu = 0;
    std::int64_t cancel_time_ns = 0;
    std::size_t cancel_operation = 0;  ///< cancelling: its index, while it may still turn into something else
  };

  /// Addresses of the two families are kept apart: they are different objects even where hashed pointers collide.
  using histories = std::unordered_map<std::uint64_t, history>;

  void start(history& timer, const trace_event& event);
  void cancel(history& timer, const trace_event& event);
  void expire(history& timer, const trace_event& event);
  void settle_blind_cancel(history& timer);
  bool continues_cancel(const history& timer, const trace_event& event) const;
  void begin_timer(history& timer, const trace_event& event);
  void append(operation_kind kind, const history& timer, const trace_event& event);
  std::uint32_t function_index(std::string_view name);
  family_counts& counts_of(timer_family family);
  void settle_ends();
  void drop_withdrawn();
  void count_operations();

  rebuilt_trace result_;
  trace_deadlines deadlines_;
  histories wheel_;
  histories hrtimer_;
  std::map<std::string, std::uint32_t, std::less<>> function_numbers_;
  std::vector<bool> withdrawn_;  ///< beside `operations`: cancels that turned out to be the first half of a re-arm
  bool any_event_ = false;
  std::int64_t now_ns_ = 0;  ///< the latest event's time since the first event
};

}  // namespace detent::cli
