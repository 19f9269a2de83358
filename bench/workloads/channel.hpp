// W12: channels. How late a blocked receiver has the tick of a 1 ms ticker, and what that costs; a receive right after
// a reset to now; a select over n channels of which one is ready; and one whose value another thread hands over.
#pragma once

#include "peer/clock.hpp"
#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/measured_loop.hpp"

#include <detent/channel.hpp>
#include <detent/go.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace detent::bench {

/// A select is written with its cases one after the other, so their number is fixed.
inline constexpr std::uint32_t select_width = 8;
using numbers = std::array<channel<std::uint64_t>, select_width>;

inline numbers make_numbers(std::size_t capacity) {
  numbers made;
  for (auto& c : made) c = channel<std::uint64_t>::make(capacity);
  return made;
}

inline std::uint64_t select_one(const numbers& from) {
  std::uint64_t value = 0;
  const auto take = [&value](received<std::uint64_t> got) { value = got ? *got : 0; };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    static_cast<void>(detent::select(on_receive(from[I], take)...));
  }(std::make_index_sequence<select_width>{});
  return value;
}

inline void ticks(timer_service& service, const round& r) {
  constexpr std::int64_t period_ns = ns_per_ms;
  std::vector<std::int64_t> late_ns;
  const go::ticker ticker = go::new_ticker(service, duration(period_ns));
  const std::int64_t end_ns = now_ns() + r.length_ns();
  const std::int64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  for (std::int64_t now = 0; now < end_ns;) {
    const received<go::instant> tick = ticker.c().receive();
    now = now_ns();
    late_ns.push_back(now - tick->time_since_epoch().count());
  }
  answer("cpu per tick", "ns",
         static_cast<double>(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns) / static_cast<double>(late_ns.size()));
  answer_samples("receive after a tick", "ns", late_ns);
}

inline void channels(const round& r) {
  if (r.n != select_width) cannot("its selects have 8 cases");
  struct no_turn {
    void turn() noexcept {}
  } hand;
  service_options options;
  options.executor = on_driver{};
  timer_service& service = *new timer_service(std::move(options));
  ticks(service, r);

  const go::timer now_and_again = go::new_timer(service, go::unarmed);
  answer("receive after reset", "ns", warm_up_and_measure(hand, 1, r.length_ns() / 4, [&] {
                                        now_and_again.reset(duration(0));
                                        static_cast<void>(now_and_again.c().receive());
                                      }).ns_per_operation());

  random_numbers random(r.seed);
  const numbers kept = make_numbers(1);
  answer("select, one ready", "ns", warm_up_and_measure(hand, 1, r.length_ns() / 4, [&] {
                                      static_cast<void>(kept[index_below(random.next(), select_width)].send(1));
                                      static_cast<void>(select_one(kept));
                                    }).ns_per_operation());

  const numbers handed = make_numbers(0);
  std::thread sender([&] {
    random_numbers draw(r.seed);
    for (;;) {
      if (handed[index_below(draw.next(), select_width)].send(1) != send_result::sent) return;
    }
  });
  answer("select, handed over", "ns", warm_up_and_measure(hand, 1, r.length_ns() / 4, [&] {
                                        static_cast<void>(select_one(handed));
                                      }).ns_per_operation());
  for (const auto& c : handed) c.close();
  sender.join();
}

}  // namespace detent::bench
