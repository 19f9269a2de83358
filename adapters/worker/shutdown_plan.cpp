// shutdown_plan: the order, the division of time, signals, and what systemd is told.
//
// Threads: each part of a turn is ended on a thread of its own, so that one that blocks holds nobody up; the caller
// waits for them to the turn's deadline. A thread that was abandoned is joined by the destructor. Parts for which there
// is no thread are ended by the caller.
//
// Memory: what the plan is carried out with was allocated when its parts were added. The report may lack what there is
// no memory for, and says so.
#include "left.hpp"
#include "report_json.hpp"
#include "worker_core.hpp"

#include <detent/shutdown_plan.hpp>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

DETENT_BEGIN_NAMESPACE
namespace detail {

namespace {

// One datagram to the service manager, if there is one; it may be lost, and nobody waits for it.
void notify_manager(std::string_view message) noexcept {
  const char* const path = std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe): read only.
  sockaddr_un address{};
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // A name in no file system.
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  static_cast<void>(::sendto(fd, message.data(), message.size(), MSG_NOSIGNAL,
                             static_cast<const sockaddr*>(static_cast<const void*>(&address)), size));
  ::close(fd);
}

}  // namespace

class plan_core {
 public:
  explicit plan_core(plan_options options) : options_(std::move(options)), before_(possessions_now()) {}
  plan_core(const plan_core&) = delete;
  plan_core& operator=(const plan_core&) = delete;
  ~plan_core() {
    for (std::thread& t : enders_) t.join();  // That may take long: a signal still ends the program with a report.
    end_signals();
  }

  // `function`, which is refused once the plan is carried out, ends outside the lock.
  plan_part add(std::string name, hook<bool(plan_time&)>& function, const std::shared_ptr<worker_core>& of,
                timer_service* service) {
    std::string reported = name;
    const std::lock_guard locked(lock_);
    if (begun_) return {~std::size_t{0}, declare_result::stopping};
    report_.parts.reserve(parts_.size() + 1);
    part& added = parts_.emplace_back();
    added.name = std::move(name);
    added.report.name = std::move(reported);
    added.function = std::move(function);
    added.is_worker = of != nullptr;
    added.of = of;
    added.service = service;
    return {parts_.size() - 1, declare_result::declared};
  }

  declare_answer uses(plan_part user, plan_part used) {
    const std::lock_guard locked(lock_);
    if (begun_) return {declare_result::stopping, {}};
    if (user.index >= parts_.size() || used.index >= parts_.size()) return {declare_result::unknown, {}};
    std::vector<std::size_t> path;
    std::vector<bool> seen(parts_.size());
    if (leads_to(used.index, user.index, path, seen)) {
      declare_answer answer{declare_result::cyclic, {parts_[user.index].name}};
      for (const std::size_t at : path) answer.path.push_back(parts_[at].name);
      return answer;
    }
    parts_[user.index].used.push_back(used.index);
    return {declare_result::declared, {}};
  }

  std::vector<std::vector<std::string>> turns() {
    const std::lock_guard locked(lock_);
    std::vector<std::vector<std::string>> names(number_turns());
    for (const part& p : parts_) names[p.report.turn].push_back(p.name);
    return names;
  }

  void take_signals(const std::vector<int>& signals) {
    if (listener_.joinable()) refuse(EALREADY, "take_signals");
    blocked_.reserve(signals.size());
    sigset_t set;
    sigemptyset(&set);
    for (const int number : signals) sigaddset(&set, number);
    sigset_t before;
    if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, &before); error != 0) refuse(error, "pthread_sigmask");
    for (const int number : signals) {
      if (sigismember(&before, number) == 0) blocked_.push_back(number);
    }
    signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd_ < 0) refuse(errno, "signalfd");
    wake_fd_ = ::eventfd(0, EFD_CLOEXEC);
    if (wake_fd_ < 0) refuse(errno, "eventfd");
    listener_ = std::thread([this] { listen(); });
    // What is the plan's own is not left by anybody.
    std::unique_lock locked(lock_);
    while (listener_id_ == 0) changed_.wait(locked);
    add_own(before_.threads, listener_id_, threads_now());
    const std::vector<std::string> files = files_now();
    add_own(before_.files, signal_fd_, files);
    add_own(before_.files, wake_fd_, files);
  }

  void stop(int signal) noexcept {
    duration share{0};
    {
      const std::lock_guard locked(lock_);
      if (stops_++ == 0) signal_ = signal;
      changed_.notify_all();
      // What comes before the shutdown is looked at when it begins; the first one may have been the reason for it.
      if (!begun_ || over_ || (stops_ == 1 && asked_before_)) return;
      const instant now = steady_clock::now();
      deadline_ = std::min(deadline_, deadline_after(now, options_.after_second_signal));
      share = share_of(now);
      turn_deadline_ = std::min(turn_deadline_, deadline_after(now, share));
      for (part& p : parts_) {
        if (!p.running) continue;
        p.deadline = std::min(p.deadline, deadline_after(now, told_of(share)));
        if (p.deadline != instant::max()) p.report.limit = left_until(p.deadline, p.begun);
        p.shortened = true;
      }
    }
    for (part& p : parts_) hurry(p, told_of(share));  // No part is added any more.
  }

  duration left_of(std::size_t at) noexcept {
    const std::lock_guard locked(lock_);
    return left_until(parts_[at].deadline, steady_clock::now());
  }

  void set_hook(std::size_t at, hook<void()> f) {
    hook<void()> old;  // Ends outside the lock.
    {
      const std::lock_guard locked(lock_);
      part& p = parts_[at];
      if (!p.shortened) {
        old = std::exchange(p.on_shortened, std::move(f));
        return;
      }
    }
    f();
  }

  int wait() {
    std::unique_lock locked(lock_);
    while (stops_ == 0) changed_.wait(locked);
    return signal_;
  }

  plan_report shutdown(duration limit) noexcept {
    std::unique_lock locked(lock_);
    if (!begun_) carry_out(locked, limit);
    while (!over_) changed_.wait(locked);
    return copy_of_report();
  }

  void list_left(plan_report& to) const {
    possessions added = added_since(before_, possessions_now());
    to.threads_left = std::move(added.threads);
    to.files_left = std::move(added.files);
    to.memory_left = std::move(added.memory);
  }

  bool feed_watchdog(timer_service& service) {
    const char* const text = std::getenv("WATCHDOG_USEC");  // NOLINT(concurrency-mt-unsafe): read only.
    const char* const pid = std::getenv("WATCHDOG_PID");    // NOLINT(concurrency-mt-unsafe): read only.
    const long long us = text == nullptr ? 0 : std::atoll(text);
    if (us <= 1 || (pid != nullptr && std::atoll(pid) != ::getpid())) return false;
    const std::chrono::microseconds period(us / 2);
    watchdog_.emplace(service, [] { notify_manager("WATCHDOG=1"); });
    if (watchdog_->arm_every(period, {.first = duration(0)}) != arm_result::armed) return false;
    const std::lock_guard locked(lock_);
    feed_period_ = period;
    return true;
  }

 private:
  struct part {
    std::string name;
    hook<bool(plan_time&)> function;
    bool is_worker = false;         // else a service or a function
    std::weak_ptr<worker_core> of;  // The user may destroy the worker early: then it has ended, and is named.
    timer_service* service = nullptr;
    std::vector<std::size_t> used;  // what it posts to
    part_report report;
    bool running = false;
    bool threadless = false;  // there was no thread for its end
    instant begun{};
    instant deadline{};         // what it is told
    hook<void()> on_shortened;  // of a function that runs
    bool shortened = false;     // by a stop while it ran
    bool telling = false;       // its on_shortened is being called
    bool hurried = false;       // of a service: another thread has shortened its shutdown
  };

  [[noreturn]] static void refuse(int error, const char* what) {
    throw std::system_error(error, std::generic_category(), what);
  }

  // Whether a way of uses leads from `from` to `to`; `path` is it, both ends included.
  bool leads_to(std::size_t from, std::size_t to, std::vector<std::size_t>& path, std::vector<bool>& seen) const {
    if (seen[from]) return false;
    seen[from] = true;
    path.push_back(from);
    if (from == to) return true;
    for (const std::size_t next : parts_[from].used) {
      if (leads_to(next, to, path, seen)) return true;
    }
    path.pop_back();
    return false;
  }

  // Gives each part its turn, users before what they use: it comes after the last turn of those that use it. Answers
  // how many there are.
  std::size_t number_turns() noexcept {
    for (part& p : parts_) p.report.turn = 0;
    for (std::size_t round = 0; round < parts_.size(); ++round) {
      for (const part& p : parts_) {
        for (const std::size_t used : p.used) {
          parts_[used].report.turn = std::max(parts_[used].report.turn, p.report.turn + 1);
        }
      }
    }
    std::size_t count = 0;
    for (const part& p : parts_) count = std::max(count, p.report.turn + 1);
    return count;
  }

  // Not negative, and small enough for a deadline to be computed from it later.
  static duration left_until(instant deadline, instant now) noexcept {
    if (deadline <= now) return duration(0);
    return std::min(deadline - now, duration::max() / 2);
  }

  // What the turn in progress gets of the time that is left.
  duration share_of(instant now) const noexcept {
    if (deadline_ == instant::max()) return duration::max();
    return left_until(deadline_, now) / static_cast<std::int64_t>(turns_left_);
  }

  void carry_out(std::unique_lock<std::mutex>& locked, duration limit) noexcept {
    begun_ = true;
    asked_before_ = stops_ != 0;
    const instant start = steady_clock::now();
    deadline_ = deadline_after(start, stops_ < 2 ? limit : std::min(limit, options_.after_second_signal));
    report_.limit = std::max(duration(0), limit);
    notify_manager("STOPPING=1");
    const std::size_t turn_count = number_turns();
    for (std::size_t turn = 0; turn < turn_count; ++turn) {
      turns_left_ = turn_count - turn;
      run_turn(locked, turn);
    }
    report_.complete = std::all_of(report_.parts.begin(), report_.parts.end(),
                                   [](const part_report& p) { return p.state != part_state::abandoned; });
    if (watchdog_) {
      locked.unlock();
      watchdog_->close_and_wait();
      locked.lock();
    }
    join_finished(locked);
    locked.unlock();
    plan_report left;
    bool listed = true;
    try {
      list_left(left);
    } catch (const std::exception&) {
      listed = false;
    }
    locked.lock();
    if (!listed) report_.partial = true;
    report_.threads_left = std::move(left.threads_left);
    report_.files_left = std::move(left.files_left);
    report_.memory_left = std::move(left.memory_left);
    report_.stops_asked = stops_;
    report_.took = steady_clock::now() - start;
    over_ = true;
    changed_.notify_all();
  }

  // Under the lock. Where there is no memory for all of it, its counts and the parts' states, or only the counts.
  plan_report copy_of_report() const noexcept {
    try {
      return report_;
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): less of it follows.
    }
    plan_report told;
    told.complete = report_.complete;
    told.partial = true;
    told.stops_asked = report_.stops_asked;
    told.limit = report_.limit;
    told.took = report_.took;
    try {
      told.parts.resize(report_.parts.size());
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): it stays without them.
    }
    for (std::size_t at = 0; at < told.parts.size(); ++at) {
      const part_report& p = report_.parts[at];
      told.parts[at].state = p.state;
      told.parts[at].turn = p.turn;
      told.parts[at].limit = p.limit;
      told.parts[at].took = p.took;
    }
    return told;
  }

  // The report lacks something. Not under the lock.
  void note_short_memory() noexcept {
    const std::lock_guard locked(lock_);
    if (!over_) report_.partial = true;  // Then nobody changes it any more.
  }

  void note_error(part_report& told, const char* error) noexcept {
    try {
      told.error = error;
    } catch (const std::bad_alloc&) {
      note_short_memory();
    }
  }

  void run_turn(std::unique_lock<std::mutex>& locked, std::size_t turn) noexcept {
    const instant begin = steady_clock::now();
    const duration share = share_of(begin);
    turn_deadline_ = deadline_after(begin, share);
    // Twice the share: a manager that hears nothing for longer may take us for dead.
    const long long asked_us = share.count() / 500 + 1'000'000;
    char asked[64];
    std::snprintf(asked, sizeof asked, "EXTEND_TIMEOUT_USEC=%lld", asked_us);
    notify_manager(asked);
    for (part& p : parts_) {
      if (p.report.turn != turn) continue;
      p.running = true;
      p.begun = begin;
      p.deadline = deadline_after(begin, told_of(share));
      p.report.state = part_state::abandoned;
      p.report.limit = told_of(share);
    }
    for (std::size_t at = 0; at < parts_.size(); ++at) {
      if (parts_[at].report.turn != turn) continue;
      try {
        enders_.emplace_back([this, at] { end_part(at); });
      } catch (const std::exception&) {
        parts_[at].threadless = true;
      }
    }
    end_threadless(locked, turn);
    const auto ended = [&] {
      return std::none_of(parts_.begin(), parts_.end(),
                          [&](const part& p) { return p.report.turn == turn && p.running; });
    };
    while (!ended() && steady_clock::now() < turn_deadline_) {
      // What the timer of the watchdog runs on may have ended with its part.
      if (feed_period_ != duration::max()) notify_manager("WATCHDOG=1");
      const instant next = std::min(turn_deadline_, deadline_after(steady_clock::now(), feed_period_));
      changed_.wait_until(locked, next);
    }
    for (part& p : parts_) {
      if (p.report.turn != turn) continue;
      if (p.running) report_abandoned(locked, p);
      report_.parts.push_back(std::move(p.report));  // There is room.
    }
  }

  // Parts for which there was no thread are ended here, and one that blocks cannot be left behind. Workers have threads
  // of their own: they are asked first, all at once, and waited for last.
  void end_threadless(std::unique_lock<std::mutex>& locked, std::size_t turn) noexcept {
    for (part& p : parts_) {
      if (p.report.turn != turn || !p.threadless) continue;
      std::shared_ptr<worker_core> worker = p.of.lock();
      const instant limit = p.deadline;
      locked.unlock();
      if (worker != nullptr) worker->begin_stop(limit);
      worker.reset();
      locked.lock();
    }
    for (const bool workers : {false, true}) {
      for (std::size_t at = 0; at < parts_.size(); ++at) {
        const part& p = parts_[at];
        if (p.report.turn != turn || !p.threadless || p.is_worker != workers) continue;
        locked.unlock();
        end_part(at);
        locked.lock();
      }
    }
  }

  // What is known of a part whose time is over. Its own report is late, and this one does not wait.
  void report_abandoned(std::unique_lock<std::mutex>& locked, part& p) noexcept {
    std::shared_ptr<worker_core> worker = p.of.lock();
    std::optional<worker_report> of_worker;
    std::optional<shutdown_report> of_service;
    locked.unlock();
    try {
      if (worker != nullptr) of_worker = worker->report();
      if (p.service != nullptr) of_service = p.service->shutdown(shutdown_policy::cancel_pending, duration(0));
    } catch (const std::bad_alloc&) {
      note_short_memory();
    }
    worker.reset();
    locked.lock();
    if (!p.running) return;  // It has told by itself.
    p.report.took = steady_clock::now() - p.begun;
    p.report.worker = std::move(of_worker);
    p.report.service = std::move(of_service);
  }

  // Tells a part that runs that it has `left`.
  void hurry(part& p, duration left) noexcept {
    std::shared_ptr<worker_core> worker;
    hook<void()> function;
    {
      const std::lock_guard locked(lock_);
      if (!p.running) return;
      worker = p.of.lock();
      function = std::exchange(p.on_shortened, {});
      if (function) p.telling = true;  // Else another thread, or whoever called us, may be telling it.
      // Not once it is over: the destructor goes through the threads then.
      if (p.service != nullptr && !over_ && !std::exchange(p.hurried, true)) hurry_service(*p.service, left);
    }
    if (worker != nullptr) worker->begin_stop(deadline_after(steady_clock::now(), left));
    if (!function) return;
    tell(function);
    function = {};
    const std::lock_guard locked(lock_);
    p.telling = false;
    changed_.notify_all();
  }

  // A later shutdown with less time shortens the one in progress, and waits as that does: on a thread of its own. Under
  // the lock: who joins the threads knows this one.
  void hurry_service(timer_service& service, duration left) noexcept {
    try {
      enders_.emplace_back([&service, left] { service.shutdown(shutdown_policy::cancel_pending, left); });
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): no thread; its turn ends in time all the same.
    }
  }

  // On a thread of its own, if there is one. Only the part's entry is touched, under the lock.
  void end_part(std::size_t at) noexcept {
    const instant begin = steady_clock::now();
    part_report told;
    std::shared_ptr<worker_core> of;
    timer_service* service = nullptr;
    bool is_worker = false;
    {
      const std::lock_guard locked(lock_);
      service = parts_[at].service;
      of = parts_[at].of.lock();
      is_worker = parts_[at].is_worker;
    }
    if (is_worker && of == nullptr) {
      told.state = part_state::cancelled;
      note_error(told, "the worker was destroyed before its turn");
    } else if (is_worker) {
      end_worker(*of, at, told);
    } else if (service != nullptr) {
      end_service(*service, at, told);
    } else {
      end_function(at, told);
    }
    of.reset();
    const duration took = steady_clock::now() - begin;
    hook<void()> not_told;  // Ends outside the lock.
    std::unique_lock locked(lock_);
    part& ended = parts_[at];
    while (ended.telling) changed_.wait(locked);
    not_told = std::exchange(ended.on_shortened, {});
    ended.report.state = told.state;
    ended.report.took = took;
    ended.report.worker = std::move(told.worker);
    ended.report.service = std::move(told.service);
    ended.report.error = std::move(told.error);
    ended.running = false;
    changed_.notify_all();
    locked.unlock();
  }

  // Where there is no memory for its report, it is asked again: what cannot be known to have ended has not.
  void end_worker(worker_core& worker, std::size_t at, part_report& told) noexcept {
    for (bool again = true; again;) {
      const duration left = left_of(at);
      try {
        told.worker = worker.shutdown(left);
        const bool whole = told.worker->undone_list.empty();
        told.state = !told.worker->complete ? part_state::abandoned
                     : whole                ? part_state::finished
                                            : part_state::cancelled;
        return;
      } catch (const std::bad_alloc&) {
        again = left > duration(0);
      }
      std::unique_lock locked(lock_);
      const instant next = deadline_after(steady_clock::now(), std::chrono::milliseconds(10));
      if (again) changed_.wait_until(locked, std::min(next, parts_[at].deadline));
    }
    told.state = part_state::abandoned;
    note_error(told, "memory is short");
    note_short_memory();
  }

  void end_service(timer_service& service, std::size_t at, part_report& told) noexcept {
    try {
      told.service = service.shutdown(shutdown_policy::cancel_pending, left_of(at));
    } catch (const std::bad_alloc&) {
      told.state = part_state::abandoned;
      note_error(told, "memory is short");
      note_short_memory();
      return;
    }
    const bool whole = told.service->dropped == 0 && told.service->cancelled == 0;
    told.state = !told.service->complete ? part_state::abandoned : whole ? part_state::finished : part_state::cancelled;
  }

  void end_function(std::size_t at, part_report& told) noexcept {
    plan_time time(*this, at);
    try {
      told.state = parts_[at].function(time) ? part_state::finished : part_state::cancelled;
    } catch (const std::exception& thrown) {
      told.state = part_state::cancelled;
      note_error(told, thrown.what());
    } catch (...) {
      told.state = part_state::cancelled;
      note_error(told, "an exception");
    }
  }

  static void tell(hook<void()>& function) noexcept {
    try {
      function();
    } catch (...) {  // NOLINT(bugprone-empty-catch): the part hears by its limit.
    }
  }

  // Joins every ender if none was abandoned; else the destructor does.
  void join_finished(std::unique_lock<std::mutex>& locked) {
    if (std::any_of(parts_.begin(), parts_.end(), [](const part& p) { return p.running; })) return;
    std::vector<std::thread> enders = std::move(enders_);
    enders_.clear();
    locked.unlock();
    for (std::thread& t : enders) t.join();
    locked.lock();
  }

  void listen() {
    {
      const std::lock_guard locked(lock_);
      listener_id_ = ::gettid();
      changed_.notify_all();
    }
    pollfd polled[2] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    int last_signal = 0;  // taken after the plan was carried out: what is left of the program has until `last_instant`
    instant last_instant{};
    for (;;) {
      int wait_ms = -1;
      if (last_signal != 0) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(left_until(last_instant, steady_clock::now()));
        wait_ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
      }
      if (::poll(polled, 2, wait_ms) < 0 && errno != EINTR) return;
      if (polled[1].revents != 0) return;
      signalfd_siginfo info{};
      while (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        const int signal = static_cast<int>(info.ssi_signo);
        stop(signal);
        if (last_signal != 0 || !is_over()) continue;
        last_signal = signal;
        last_instant = deadline_after(steady_clock::now(), options_.after_second_signal);
      }
      if (last_signal != 0 && steady_clock::now() >= last_instant) deliver(std::exchange(last_signal, 0));
    }
  }

  bool is_over() noexcept {
    const std::lock_guard locked(lock_);
    return over_;
  }

  // The program has not ended in the time that a signal has left it: the report is told, then the signal does what it
  // does without a plan.
  void deliver(int signal) {
    try {
      const std::string text = report_.text();  // Nobody changes it any more.
      std::fputs(text.c_str(), stderr);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the signal is not held up.
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    ::raise(signal);  // Only a handler, or nothing, if it comes back.
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  }

  // Adds the line of `all` that begins with the number.
  static void add_own(std::vector<std::string>& to, int number, const std::vector<std::string>& all) {
    const std::string begin = std::to_string(number) + " ";
    for (const std::string& one : all) {
      if (one.rfind(begin, 0) == 0) to.push_back(one);
    }
    std::sort(to.begin(), to.end());
  }

  // From here on a signal does what it does without a plan: nobody would take it any more.
  void end_signals() {
    if (listener_.joinable()) {
      const std::uint64_t one = 1;
      while (::write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
      }
      listener_.join();
    }
    if (signal_fd_ >= 0) ::close(std::exchange(signal_fd_, -1));
    if (wake_fd_ >= 0) ::close(std::exchange(wake_fd_, -1));
    sigset_t set;
    sigemptyset(&set);
    for (const int number : std::exchange(blocked_, {})) sigaddset(&set, number);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  }

  // What a part is told it has: it returns by itself just before its turn is over, and its report arrives.
  static duration told_of(duration share) noexcept { return share == duration::max() ? share : share - share / 16; }

  const plan_options options_;
  possessions before_;  // Of take_signals, else read only.

  std::mutex lock_;
  std::condition_variable changed_;
  // Under the lock. Entries stay where they are: functions are called in them.
  std::deque<part> parts_;
  std::vector<std::thread> enders_;
  std::size_t stops_ = 0;
  int signal_ = 0;
  bool begun_ = false;
  bool asked_before_ = false;  // a stop was the reason for the shutdown: the next one is the second
  bool over_ = false;
  int listener_id_ = 0;  // the kernel's, once it runs
  instant deadline_ = instant::max();
  std::size_t turns_left_ = 1;  // the one in progress counts
  instant turn_deadline_ = instant::max();
  duration feed_period_ = duration::max();  // of the watchdog; none: nobody asked for one
  plan_report report_;

  // Of the thread that takes signals and the one that shuts down.
  std::optional<timer> watchdog_;
  std::vector<int> blocked_;  // the signals that nobody had blocked before
  int signal_fd_ = -1;
  int wake_fd_ = -1;
  std::thread listener_;
};

}  // namespace detail

shutdown_plan::shutdown_plan(plan_options options) : core_(std::make_unique<detail::plan_core>(std::move(options))) {}
shutdown_plan::~shutdown_plan() = default;

plan_part shutdown_plan::add(worker& part) {
  detail::hook<bool(plan_time&)> none;
  return core_->add(part.name(), none, part.core_, nullptr);
}

plan_part shutdown_plan::add(timer_service& part, std::string name) {
  detail::hook<bool(plan_time&)> none;
  return core_->add(std::move(name), none, nullptr, &part);
}

duration plan_time::left() const noexcept { return core_->left_of(index_); }
void plan_time::set_hook(detail::hook<void()> f) { core_->set_hook(index_, std::move(f)); }

plan_part shutdown_plan::add_function(std::string name, detail::hook<bool(plan_time&)> end) {
  return core_->add(std::move(name), end, nullptr, nullptr);
}

declare_answer shutdown_plan::uses(plan_part user, plan_part used) { return core_->uses(user, used); }
std::vector<std::vector<std::string>> shutdown_plan::turns() const { return core_->turns(); }
void shutdown_plan::take_signals(std::vector<int> signals) {
  if (signals.empty()) signals = {SIGTERM, SIGINT, SIGHUP};
  core_->take_signals(signals);
}
void shutdown_plan::stop() noexcept { core_->stop(0); }
int shutdown_plan::wait() { return core_->wait(); }
plan_report shutdown_plan::shutdown(duration limit) { return core_->shutdown(limit); }
void shutdown_plan::list_left(plan_report& to) const { core_->list_left(to); }
void shutdown_plan::ready() noexcept { detail::notify_manager("READY=1"); }
bool shutdown_plan::feed_watchdog(timer_service& service) { return core_->feed_watchdog(service); }

const char* to_string(declare_result r) noexcept {
  switch (r) {
    case declare_result::declared: return "declared";
    case declare_result::cyclic: return "cyclic";
    case declare_result::unknown: return "unknown";
    case declare_result::stopping: return "stopping";
  }
  return "unknown";
}

const char* to_string(part_state s) noexcept {
  switch (s) {
    case part_state::not_begun: return "not_begun";
    case part_state::finished: return "finished";
    case part_state::cancelled: return "cancelled";
    case part_state::abandoned: return "abandoned";
  }
  return "unknown";
}

namespace {

std::string shown(const timer_name& timer) {
  if (!timer.name.empty()) return timer.name;
  return std::string(timer.place.file_name()) + ":" + std::to_string(timer.place.line());
}

void write_text(const shutdown_report& report, std::string& to) {
  to += "  timers: fired " + std::to_string(report.fired) + ", cancelled " + std::to_string(report.cancelled) +
        ", dropped " + std::to_string(report.dropped) + "\n";
  for (const timer_name& call : report.still_running) to += "  timer " + shown(call) + ": still running\n";
}

nlohmann::json to_json(const shutdown_report& report) {
  nlohmann::json still_running = nlohmann::json::array();
  for (const timer_name& call : report.still_running) still_running.push_back(shown(call));
  return {{"complete", report.complete},
          {"fired", report.fired},
          {"cancelled", report.cancelled},
          {"dropped", report.dropped},
          {"still_running", std::move(still_running)}};
}

}  // namespace

std::string plan_report::text() const {
  using detail::in_ms;
  std::string all = std::string("shutdown: ") + (complete ? "complete" : "not complete") +
                    (partial ? " (partial: memory was short)" : "") + ", took " + in_ms(took) + " of " + in_ms(limit) +
                    ", asked " + std::to_string(stops_asked) + " times\n";
  for (const part_report& p : parts) {
    all += "turn " + std::to_string(p.turn) + ", " + p.name + ": " + to_string(p.state) + ", took " + in_ms(p.took) +
           " of " + in_ms(p.limit) + (p.error.empty() ? "" : ", error " + p.error) + "\n";
    if (p.worker) detail::write_text(*p.worker, "  ", all);
    if (p.service) write_text(*p.service, all);
  }
  for (const std::string& thread : threads_left) all += "thread left: " + thread + "\n";
  for (const std::string& file : files_left) all += "descriptor left: " + file + "\n";
  if (memory_left) {
    for (const std::string& memory : *memory_left) all += "memory left: " + memory + "\n";
  }
  return all;
}

std::string plan_report::json() const {
  nlohmann::json list = nlohmann::json::array();
  for (const part_report& p : parts) {
    nlohmann::json one = {{"name", p.name},
                          {"state", to_string(p.state)},
                          {"turn", p.turn},
                          {"limit_ns", detail::limit_of(p.limit)},
                          {"took_ns", p.took.count()},
                          {"error", p.error}};
    if (p.worker) one["worker"] = detail::to_json(*p.worker);
    if (p.service) one["service"] = to_json(*p.service);
    list.push_back(std::move(one));
  }
  nlohmann::json all = {{"complete", complete},         {"partial", partial},
                        {"stops_asked", stops_asked},   {"limit_ns", detail::limit_of(limit)},
                        {"took_ns", took.count()},      {"parts", std::move(list)},
                        {"threads_left", threads_left}, {"files_left", files_left}};
  all["memory_left"] = memory_left ? nlohmann::json(*memory_left) : nlohmann::json();
  return all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

DETENT_END_NAMESPACE
