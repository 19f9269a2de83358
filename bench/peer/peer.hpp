// What a timer facility has to offer to be measured: a class with these members. All calls are static, so that no
// workload pays for the interface.
#pragma once

#include "peer/firings.hpp"

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace detent::bench {

/// A peer owns `n` timers, named by their index, whose callback is `on_firing`.
///
/// A `hand` is one thread's access to it; it may be a plain reference. Loops and those who take the caller's now get a
/// `turn` every `operations_per_turn` operations: a loop runs once without blocking, the caller reads the clock.
/// Neither a peer nor its `firings` are ever destroyed: threads may be firing while the process ends with the round.
///
///   arm(i, delay)        the timer is not pending: the workload has just cancelled it, or it has fired
///   cancel(i)            it may have fired already
///   postpone(i, delay)   the best way that the library has to put a pending timer off
///   replace(i, delay)    destroys the timer, makes a new one with memory of its own, and arms that
///   drive_until(at_ns)   lets timers fire until that instant of the steady clock; blocks as the library does
template <class P>
concept peer = requires(P& p, firings& sink, std::uint32_t i, std::int64_t ns, typename P::hand hand) {
  { P::name } -> std::convertible_to<std::string_view>;
  { P::is_thread_safe } -> std::convertible_to<bool>;
  { P::version() } -> std::convertible_to<std::string>;
  new P(i, sink);
  static_cast<typename P::hand>(p);
  hand.arm(i, ns);
  hand.cancel(i);
  hand.postpone(i, ns);
  hand.replace(i, ns);
  hand.turn();
  hand.drive_until(ns);
};

/// Cancels, and waits for a call in progress.
template <class P>
concept waits_for_calls = requires(typename P::hand hand, std::uint32_t i) { hand.cancel_and_wait(i); };

/// Has timers that fire again and again.
template <class P>
concept has_series = requires(typename P::hand hand, std::uint32_t i, std::int64_t ns) { hand.arm_every(i, ns); };

inline constexpr std::uint32_t operations_per_turn = 1024;

/// For peers with a thread of their own there is nothing to drive.
inline void sleep_instead_of_driving(std::int64_t at_ns) noexcept { sleep_until_ns(at_ns); }

}  // namespace detent::bench
