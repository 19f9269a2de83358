// site: what all connections of the server share.
//
// Threads: everything here belongs to the loop's thread but `disk` and `drained`, which any thread may use. Timers of
// `timers` run on the loop's thread too (`on_loop`), so that no connection needs a lock.
#pragma once

#include "disk_queue.hpp"

#include <detent/detent.hpp>
#include <detent/shutdown_plan.hpp>
#include <detent/worker_io.hpp>

#include <algorithm>
#include <asio.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace timeout_server {

// An executor of Detent: callbacks of timers become handlers of the loop.
struct on_loop {
  asio::io_context* loop = nullptr;  // set before the first timer is armed
  void post(detent::task work) const {
    asio::post(*loop, [work = std::move(work)]() mutable { work(); });
  }
};

struct limits {
  std::chrono::milliseconds idle{30'000};    // of a connection without a request, or of a client that does not read
  std::chrono::milliseconds request{2'000};  // from the last byte of a request to its answer
  std::chrono::milliseconds linger{1'000};   // `idle` once the server stops
  std::chrono::milliseconds retry{20};       // before the second attempt; doubled before each further one
  int attempts = 5;
};

// At the end accepted = answered + gone + abandoned.
struct ledger {
  std::uint64_t connections = 0;
  std::uint64_t accepted = 0;
  std::uint64_t answered = 0;
  std::uint64_t gone = 0;       // the client left before the answer was written
  std::uint64_t abandoned = 0;  // the server's time was over
  std::uint64_t deadlines_passed = 0;
  std::uint64_t idle_closed = 0;
  std::uint64_t retries = 0;

  std::string json() const {
    const auto entry = [](const char* name, std::uint64_t value) {
      return '"' + std::string(name) + "\": " + std::to_string(value);
    };
    return '{' + entry("connections", connections) + ", " + entry("accepted", accepted) + ", " +
           entry("answered", answered) + ", " + entry("gone", gone) + ", " + entry("abandoned", abandoned) + ", " +
           entry("deadlines_passed", deadlines_passed) + ", " + entry("idle_closed", idle_closed) + ", " +
           entry("retries", retries) + '}';
  }
};

// That the last client has come, and all have gone.
class last_leave {
 public:
  void tell() {
    const std::lock_guard held(lock_);
    told_ = true;
    changed_.notify_all();
  }
  // Whether it was told in time; a second signal makes that shorter.
  bool wait(detent::plan_time& time) {
    time.on_shortened([this] {
      const std::lock_guard held(lock_);
      changed_.notify_all();
    });
    std::unique_lock held(lock_);
    while (!told_ && time.left() > detent::duration::zero()) changed_.wait_for(held, time.left());
    return told_;
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  bool told_ = false;  // under the lock
};

class connection;

struct site {
  detent::timer_service& timers;
  detent::worker_io& io;
  disk_queue& disk;
  limits allowed;
  asio::ip::tcp::endpoint upstream;

  ledger counts{};
  bool draining = false;       // each answer is the last one of its connection
  bool last_has_come = false;  // no further connection will be
  std::unordered_map<connection*, std::shared_ptr<connection>> connections{};
  last_leave drained{};

  std::chrono::milliseconds idle_limit() const {
    return draining ? std::min(allowed.idle, allowed.linger) : allowed.idle;
  }

  void leave(connection* one) {
    connections.erase(one);
    tell_when_drained();
  }
  void tell_when_drained() {
    if (last_has_come && connections.empty()) drained.tell();
  }
};

}  // namespace timeout_server
