#include "signals_heard.hpp"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace detent::cli {
namespace {

constexpr int heard[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};

// The pipe's ends: set before the handlers are there, read by them and by `tell`.
std::atomic<int> read_end{-1};
std::atomic<int> write_end{-1};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing else");

// Of `hold`; touched before there are threads, and by the one that makes a `signals_heard`.
bool is_holding = false;
sigset_t mask_before;

// Written whole or not at all, being shorter than a page. A full pipe loses it: there are hundreds unread then.
void note(int number) {
  const int former = errno;
  const signals_heard::word told{number, std::chrono::steady_clock::now()};
  [[maybe_unused]] const auto written = write(write_end.load(std::memory_order_relaxed), &told, sizeof told);
  errno = former;
}

}  // namespace

void signals_heard::hold(bool hears_hangup) noexcept {
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGUSR1);
  if (hears_hangup) sigaddset(&held, SIGHUP);
  is_holding = pthread_sigmask(SIG_BLOCK, &held, &mask_before) == 0;
}

signals_heard::signals_heard(bool hears_hangup) : count_(std::size(heard) - (hears_hangup ? 0 : 1)) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  read_end.store(ends[0], std::memory_order_relaxed);
  write_end.store(ends[1], std::memory_order_relaxed);
  for (std::size_t i = 0; i < count_; ++i) {
    struct sigaction noting {};
    noting.sa_handler = note;
    noting.sa_flags = SA_RESTART;  // a script's reading and writing goes on
    sigemptyset(&noting.sa_mask);
    sigaction(heard[i], &noting, &former_[i]);
    if (former_[i].sa_handler == SIG_IGN && heard[i] != SIGHUP) sigaction(heard[i], &former_[i], nullptr);
  }
  if (std::exchange(is_holding, false)) pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
}

signals_heard::~signals_heard() {
  for (std::size_t i = 0; i < count_; ++i) sigaction(heard[i], &former_[i], nullptr);
  close(write_end.exchange(-1, std::memory_order_relaxed));
  close(read_end.exchange(-1, std::memory_order_relaxed));
}

void signals_heard::tell() noexcept { note(nudge); }

std::optional<signals_heard::word> signals_heard::wait(std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    word told;
    if (read(read_end.load(std::memory_order_relaxed), &told, sizeof told) == sizeof told) return told;
    int left = -1;
    if (limit.count() >= 0) {
      const auto rest = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      if (rest.count() <= 0) return std::nullopt;
      left = static_cast<int>(rest.count());
    }
    pollfd readable{read_end.load(std::memory_order_relaxed), POLLIN, 0};
    poll(&readable, 1, left);
  }
}

}  // namespace detent::cli
