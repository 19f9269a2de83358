#include "recorded_lifetimes.hpp"

#include <algorithm>
#include <cstddef>

namespace detent::cli {
namespace {

constexpr std::int64_t not_armed = -1;

void count_end(function_lifetimes& of, operation_kind end) {
  switch (end) {
    case operation_kind::expiry: ++of.expired; break;
    case operation_kind::rearm: ++of.rearmed; break;
    case operation_kind::cancel: ++of.cancelled; break;
    case operation_kind::arm: break;
  }
}

/// `lengths_ns` is sorted and not empty.
std::int64_t quantile(const std::vector<std::int64_t>& lengths_ns, double part) {
  return lengths_ns[static_cast<std::size_t>(part * static_cast<double>(lengths_ns.size() - 1))];
}

}  // namespace

std::vector<function_lifetimes> recorded_lifetimes(const rebuilt_trace& trace) {
  std::vector<function_lifetimes> all(trace.functions.size());
  std::vector<std::vector<std::int64_t>> lengths_ns(trace.functions.size());
  std::vector<std::int64_t> armed_at_ns(trace.timers.size(), not_armed);
  for (const operation& one : trace.operations) {
    std::int64_t& since_ns = armed_at_ns[one.timer];
    if (one.kind != operation_kind::arm && since_ns != not_armed) {
      const std::uint32_t function = trace.timers[one.timer].function;
      count_end(all[function], one.kind);
      lengths_ns[function].push_back(one.time_ns - since_ns);
    }
    since_ns = is_arming(one) ? one.time_ns : not_armed;
  }
  for (std::size_t function = 0; function < all.size(); ++function) {
    function_lifetimes& of = all[function];
    of.function = trace.functions[function];
    std::vector<std::int64_t>& sorted_ns = lengths_ns[function];
    if (sorted_ns.empty()) continue;
    std::ranges::sort(sorted_ns);
    of.p05_ns = quantile(sorted_ns, 0.05);
    of.p25_ns = quantile(sorted_ns, 0.25);
    of.p50_ns = quantile(sorted_ns, 0.50);
    of.p75_ns = quantile(sorted_ns, 0.75);
    of.p95_ns = quantile(sorted_ns, 0.95);
  }
  std::erase_if(all, [](const function_lifetimes& of) { return of.count() == 0; });
  std::ranges::stable_sort(all, std::ranges::greater{}, &function_lifetimes::count);
  return all;
}

}  // namespace detent::cli
