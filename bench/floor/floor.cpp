// What this machine charges for the smallest things that a timer facility is made of, so that figures of two machines,
// or of two hours, can be told apart. Workloads: `floor` with n = 1 for what has no size, else cache lines at random.
#include "peer/clock.hpp"
#include "peer/random.hpp"
#include "peer/round.hpp"

#include <atomic>
#include <cstdint>
#include <linux/futex.h>
#include <numeric>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace detent::bench;

constexpr std::uint64_t batch = 1000;

/// Nanoseconds of one call of `f`, in a loop for as long as the round lasts.
template <class F>
double ns_of(std::int64_t length_ns, F&& f) {
  std::uint64_t calls = 0;
  const std::int64_t begin_ns = now_ns();
  std::int64_t elapsed_ns = 0;
  do {
    for (std::uint64_t k = 0; k < batch; ++k) f();
    calls += batch;
    elapsed_ns = now_ns() - begin_ns;
  } while (elapsed_ns < length_ns);
  return static_cast<double>(elapsed_ns) / static_cast<double>(calls);
}

void keep(std::uint64_t value) { asm volatile("" : : "r"(value)); }

struct alignas(64) line {
  std::uint64_t next;
};

/// Lines on pages of 4 KiB, as an ordinary allocation gets them.
line* lines_of(std::uint32_t n) {
  void* const memory =
      mmap(nullptr, n * sizeof(line), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) cannot("it got no memory for " + std::to_string(n) + " cache lines");
  madvise(memory, n * sizeof(line), MADV_NOHUGEPAGE);
  return static_cast<line*>(memory);
}

void random_lines(const round& r) {
  line* const lines = lines_of(r.n);
  // One cycle through all lines (Sattolo), so that each load has to wait for the one before.
  random_numbers random(r.seed);
  for (std::uint32_t i = 0; i < r.n; ++i) lines[i].next = i;
  for (std::uint32_t i = r.n - 1; i > 0; --i) std::swap(lines[i].next, lines[index_below(random.next(), i)].next);
  std::uint64_t at = 0;
  for (std::uint32_t i = 0; i < r.n; ++i) at = lines[at].next;  // Warm, as far as it fits.
  answer("dependent access", "ns", ns_of(r.length_ns(), [&] { at = lines[at].next; }));
  keep(at);
  answer("independent access", "ns", ns_of(r.length_ns(), [&] { lines[index_below(random.next(), r.n)].next += 1; }));
}

void clocks(const round& r) {
  answer("clock_gettime", "ns", ns_of(r.length_ns(), [] { keep(static_cast<std::uint64_t>(now_ns())); }));
  answer("clock_gettime coarse", "ns",
         ns_of(r.length_ns(), [] { keep(static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC_COARSE))); }));
}

void instructions(const round& r) {
  random_numbers random(r.seed);
  answer("generator", "ns", ns_of(r.length_ns(), [&] { keep(random.next()); }));
  std::atomic<std::uint64_t> word{0};
  answer("exchange", "ns", ns_of(r.length_ns(), [&] { keep(word.exchange(1, std::memory_order_acq_rel)); }));
  std::uint64_t expected = word.load(std::memory_order_relaxed);
  answer("compare-and-swap", "ns", ns_of(r.length_ns(), [&] {
           word.compare_exchange_strong(expected, expected + 1, std::memory_order_acq_rel, std::memory_order_relaxed);
           ++expected;
         }));
  // With only one thread in the process the C library leaves the atomic instruction out.
  std::atomic<bool> over{false};
  std::thread second([&] { over.wait(false); });
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  answer("mutex", "ns", ns_of(r.length_ns(), [&] {
           pthread_mutex_lock(&mutex);
           pthread_mutex_unlock(&mutex);
         }));
  over = true;
  over.notify_one();
  second.join();
  int futex = 0;
  answer("futex wake, nobody waits", "ns",
         ns_of(r.length_ns(), [&] { syscall(SYS_futex, &futex, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }));
}

/// How long a line takes from one core to another: two threads answer each other.
void hand_over(const round& r) {
  if (std::thread::hardware_concurrency() < 2) return;
  alignas(64) std::atomic<std::uint64_t> turn{0};
  constexpr std::uint64_t over = ~0ULL;
  std::thread other([&] {
    for (std::uint64_t seen = 1;; seen += 2) {
      std::uint64_t now = turn.load(std::memory_order_acquire);
      while (now != seen && now != over) now = turn.load(std::memory_order_acquire);
      if (now == over) return;
      turn.store(seen + 1, std::memory_order_release);
    }
  });
  std::uint64_t mine = 0;
  const double there_and_back = ns_of(r.length_ns(), [&] {
    turn.store(mine + 1, std::memory_order_release);
    while (turn.load(std::memory_order_acquire) != mine + 2) {
    }
    mine += 2;
  });
  turn.store(over, std::memory_order_release);
  other.join();
  answer("line hand-off", "ns", there_and_back / 2);
}

/// A thread that does nothing but sleep to random instants, a thousand a second.
void bare_sleep(const round& r) {
  prctl(PR_SET_TIMERSLACK, 1UL);
  random_numbers random(r.seed);
  std::vector<std::int64_t> late_ns;
  const std::int64_t end_ns = now_ns() + 5 * r.length_ns();
  while (now_ns() < end_ns) {
    const std::int64_t at_ns = now_ns() + delay_ns_in(random.next(), 100, 1800);
    sleep_until_ns(at_ns);
    late_ns.push_back(now_ns() - at_ns);
  }
  answer_samples("bare sleep", "ns", late_ns);
}

}  // namespace

int main(int argument_count, char** arguments) {
  const round r = parse_round(argument_count, arguments);
  if (r.workload != "floor") cannot("it is no timer facility");
  std::printf("version -\n");
  if (r.n > 1) {
    random_lines(r);
  } else {
    clocks(r);
    instructions(r);
    hand_over(r);
    bare_sleep(r);
  }
  return 0;
}
