// W13: tasks posted to a thread with a queue, n at a time; the next n are posted when those have run.
#pragma once

#include "peer/round.hpp"
#include "workloads/measured_loop.hpp"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

namespace detent::bench {

/// `Queue` has `post(f)`; its thread runs what is posted, one after the other.
template <class Queue>
void post(const round& r) {
  struct no_turn {
    void turn() noexcept {}
  } hand;
  Queue& queue = *new Queue;
  std::uint64_t posted = 0;
  std::atomic<std::uint64_t> run{0};
  const auto one = [&] {
    queue.post([&run] { run.fetch_add(1, std::memory_order_release); });
    if (++posted % r.n != 0) return;
    while (run.load(std::memory_order_acquire) != posted) std::this_thread::yield();
  };
  answer("task", "ns", warm_up_and_measure(hand, r.n, r.length_ns(), one).ns_per_operation());
}

/// Whether a program was asked for this workload, which it does in one of its rows only.
inline bool is_post(int argument_count, const char* const* arguments) {
  return argument_count > 2 && arguments[2] == std::string_view("post");
}

template <class Queue>
[[noreturn]] void run_post(int argument_count, const char* const* arguments, const std::string& version) {
  const round r = parse_round(argument_count, arguments);
  if (r.peer != Queue::row) cannot("tasks are posted in the row " + std::string(Queue::row));
  std::printf("version %s\nsharing any_thread\n", version.c_str());
  post<Queue>(r);
  std::fflush(stdout);
  std::_Exit(0);
}

}  // namespace detent::bench
