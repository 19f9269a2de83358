// The storm: threads that do to timers whatever the library allows, at once, and keep account of every answer.
//
// It goes in rounds. A round has one or two services with executors drawn by lot, some dozen slots with timers, and a
// few groups. When its threads are through, nothing may be left over: every arming has ended in exactly one way, every
// callable was destroyed exactly once, and no call came when it was promised not to. Decisions come from the seed
// alone; what the threads make of them does not.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace detent::cli {

enum class storm_executor : std::uint8_t { driver, pool, mixed };

struct storm_options {
  std::chrono::nanoseconds limit = std::chrono::seconds(10);
  std::uint64_t rounds = 0;  ///< more than 0: stop after so many, whatever the time
  unsigned threads = 4;
  std::uint32_t operations = 1700;  ///< at most, of one thread in a round; an eighth of that at least
  std::uint64_t seed = 1;
  storm_executor executor = storm_executor::mixed;
  /// A round that takes longer hangs: the process says so and ends with status 1.
  std::chrono::nanoseconds round_limit = std::chrono::seconds(60);
};

/// The ends of all armings, as the callers of the verbs were told (G02).
struct storm_ledger {
  std::uint64_t armings = 0;
  std::uint64_t fired = 0;
  std::uint64_t replaced = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t closed = 0;
  std::uint64_t unseen = 0;  ///< ended by a verb that does not tell what it ended: destructor, close_then
  std::uint64_t shut_down = 0;
  std::uint64_t dropped = 0;
  std::uint64_t pending = 0;  ///< at quiet moments, summed over the rounds; each of these ended later

  std::uint64_t ends() const noexcept { return fired + replaced + cancelled + closed + unseen + shut_down + dropped; }
};

/// Races run. Effective ones are verbs that met another party: another thread's verb or a call of another thread was in
/// progress on the same timer at the same time. Each such verb counts once, whatever it met; of two verbs that meet the
/// one that came second counts.
struct storm_races {
  std::uint64_t effective = 0;
  // Kinds of those; one verb may be of several.
  std::uint64_t cancel_against_call = 0;
  std::uint64_t close_against_call = 0;
  std::uint64_t arm_against_call = 0;
  std::uint64_t wait_against_call = 0;
  std::uint64_t refused_by_close = 0;   ///< a verb that began on an open timer, met a verb, and found it closed
  std::uint64_t verb_against_verb = 0;  ///< two verbs of two threads inside one timer
  std::uint64_t cycles_refused = 0;
  // Not effective by themselves.
  std::uint64_t found_closed = 0;     ///< a verb that met nobody and was the first to hear that the timer is closed
  std::uint64_t stale_id = 0;         ///< a verb on a timer that is known to be closed
  std::uint64_t inside_callback = 0;  ///< verbs made by a callback on its own timer
};

struct storm_report {
  std::uint64_t seed = 0;
  std::uint64_t rounds = 0;
  std::uint64_t operations = 0;
  std::uint64_t timers = 0;
  std::uint64_t calls = 0;
  std::uint64_t continuations = 0;
  std::uint64_t early = 0;
  std::uint64_t rescues = 0;
  std::chrono::nanoseconds took{0};
  storm_ledger ledger;
  storm_races races;
  std::vector<std::string> violations;  ///< sentences, with the seed and the round
};

/// Called after each round.
using storm_progress = void (*)(const storm_report&, void* context);

storm_report run_storm(const storm_options& options, storm_progress progress = nullptr, void* context = nullptr);

}  // namespace detent::cli
