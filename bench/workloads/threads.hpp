// W3: churn and postpone from several threads at once: on one service, each with timers of its own; on one service, all
// with all timers; and on as many separate services, which is what the machine allows. Wall time per operation, all
// threads together.
#pragma once

#include "workloads/churn.hpp"
#include "workloads/postpone.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace detent::bench {

/// `work(hand, thread, length)` is called on each thread with a hand of the service that is the thread's.
template <peer P, class Work>
double ns_of_all(const std::vector<P*>& services, std::uint32_t threads, std::int64_t length_ns, Work&& work) {
  std::atomic<std::uint32_t> waiting{threads};
  std::vector<measured> done(threads);
  std::vector<std::thread> running;
  for (std::uint32_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      typename P::hand hand{*services[t % services.size()]};
      waiting.fetch_sub(1, std::memory_order_acq_rel);
      while (waiting.load(std::memory_order_acquire) != 0) std::this_thread::yield();
      done[t] = work(hand, t, length_ns);
    });
  }
  for (std::thread& thread : running) thread.join();
  double per_ns = 0;
  for (const measured& m : done) per_ns += static_cast<double>(m.operations) / static_cast<double>(m.elapsed_ns);
  return 1 / per_ns;
}

template <peer P>
void threads(const round& r) {
  if constexpr (!P::is_thread_safe) {
    cannot("only one thread may use it");
  } else {
    const std::uint32_t own = std::max(r.n / r.threads, 1U);
    firings& sink = *new firings;
    const auto churn_in = [&](bool all) {
      return [&r, own, all](auto& hand, std::uint32_t t, std::int64_t length_ns) {
        random_numbers random(r.seed + t);
        const auto operation =
            all ? churn_operation(hand, 0, own * r.threads, random) : churn_operation(hand, t * own, own, random);
        return warm_up_and_measure(hand, own, length_ns, operation);
      };
    };
    const auto postpone_own = [&](auto& hand, std::uint32_t t, std::int64_t length_ns) {
      random_numbers random(r.seed + t);
      return warm_up_and_measure(hand, own, length_ns, postpone_operation(hand, t * own, own, random));
    };
    const auto fill = [&](P& p) {
      typename P::hand hand{p};
      random_numbers random(r.seed);
      hand.turn();
      arm_all_for_churn(hand, 0, own * r.threads, random);
    };
    std::vector<P*> one{new P(own * r.threads, sink)};
    fill(*one[0]);
    answer("churn, own timers", "ns", ns_of_all(one, r.threads, r.length_ns(), churn_in(false)));
    answer("churn, all timers", "ns", ns_of_all(one, r.threads, r.length_ns(), churn_in(true)));
    answer("postpone, own timers", "ns", ns_of_all(one, r.threads, r.length_ns(), postpone_own));
    typename P::hand hand{*one[0]};
    for (std::uint32_t i = 0; i < own * r.threads; ++i) hand.cancel(i);
    std::vector<P*> separate;
    for (std::uint32_t t = 0; t < r.threads; ++t) separate.push_back(new P(own, sink));
    // Each service has a thread's timers only, so that the data of both forms are of one size.
    for (P* p : separate) {
      typename P::hand first{*p};
      random_numbers random(r.seed);
      first.turn();
      arm_all_for_churn(first, 0, own, random);
    }
    answer("churn, own services", "ns",
           ns_of_all(separate, r.threads, r.length_ns(), [&](auto& h, std::uint32_t t, std::int64_t length_ns) {
             random_numbers random(r.seed + t);
             return warm_up_and_measure(h, own, length_ns, churn_operation(h, 0, own, random));
           }));
    answer("postpone, own services", "ns",
           ns_of_all(separate, r.threads, r.length_ns(), [&](auto& h, std::uint32_t t, std::int64_t length_ns) {
             random_numbers random(r.seed + t);
             return warm_up_and_measure(h, own, length_ns, postpone_operation(h, 0, own, random));
           }));
  }
}

}  // namespace detent::bench
