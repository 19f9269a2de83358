// go: the channel of a timer. A receiver that finds its deadline reached takes the value; a detent::timer wakes the
// receivers that are blocked, and is armed only while there are any.
#include "port.hpp"

#include <detent/go.hpp>

#include <mutex>
#include <utility>

namespace detent::inline v0::detail {

namespace {

class timer_port final : public port {
 public:
  timer_port(timer_service& service, std::source_location place)
      : service_(&service), wake_(service, wake_call(this), place) {}

  case_end poll_locked(case_entry& entry) noexcept override {
    if (closed_) return case_end::closed;
    return take_locked(entry.word) ? case_end::done : case_end::nothing_ready;
  }

  go::found reset(std::int64_t delay_ns, std::int64_t period_ns) noexcept {
    const std::lock_guard guard(lock_);
    if (closed_) return go::found::shut_down;
    const bool was_armed = std::exchange(armed_, true);
    at_ns_ = delay_ns == ns_max ? ns_max : add_ns(now_ns_locked(), delay_ns > 0 ? delay_ns : 0);
    period_ns_ = period_ns;
    // Senders do not exist, so the receivers are blocked because nothing was due. If it is now, one of them is served.
    serve_locked();
    return was_armed ? go::found::active : go::found::inactive;
  }

  go::found stop() noexcept {
    const std::lock_guard guard(lock_);
    if (closed_) return go::found::shut_down;
    const bool was_armed = std::exchange(armed_, false);
    tune_locked();
    return was_armed ? go::found::active : go::found::inactive;
  }

 private:
  // The callable of `wake_`. The engine destroys it when the timer is closed: by the service's shutdown, or by this
  // port's end. It is the one that learns of a shutdown; nothing touches the service after that.
  class wake_call {
   public:
    explicit wake_call(timer_port* owner) noexcept : owner_(owner) {}
    wake_call(wake_call&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    wake_call(const wake_call&) = delete;
    wake_call& operator=(const wake_call&) = delete;
    wake_call& operator=(wake_call&&) = delete;
    ~wake_call() {
      if (owner_ != nullptr) owner_->lose_service();
    }
    void operator()() const noexcept { owner_->wake(); }

   private:
    timer_port* owner_;
  };

  void wake() noexcept {
    const std::lock_guard guard(lock_);
    if (closed_) return;
    // While this call was on its way the timer may have been armed anew, for later.
    if (wake_at_ns_ <= now_ns_locked()) wake_at_ns_ = ns_max;
    serve_locked();
  }

  void lose_service() noexcept {
    const std::lock_guard guard(lock_);
    service_ = nullptr;
    armed_ = false;
    static_cast<void>(close_locked());
  }

  // A clock moved by hand may have passed the deadline between the look at it and the arming, and nobody may move it
  // again: so who has armed looks once more.
  void line_changed_locked() noexcept override {
    if (closed_) return;
    tune_locked();
    serve_locked();
  }

  std::int64_t now_ns_locked() const noexcept { return epoch_ns(service_->now()); }

  // The value is the instant at which it was due, of a ticker the first tick that nobody has received.
  bool take_locked(channel_word& word) noexcept {
    if (!armed_ || at_ns_ == ns_max) return false;
    const std::int64_t now_ns = now_ns_locked();
    if (now_ns < at_ns_) return false;
    word = boxing<go::instant>::pack(go::instant(duration(at_ns_)));
    if (period_ns_ == 0) {
      armed_ = false;
    } else {
      // Without a sign: a clock may move by more than 2^63 ns. What is added ends at `now_ns` at the latest.
      const auto late_ns = static_cast<std::uint64_t>(now_ns) - static_cast<std::uint64_t>(at_ns_);
      const std::uint64_t whole_ns = late_ns - late_ns % static_cast<std::uint64_t>(period_ns_);
      at_ns_ = add_ns(static_cast<std::int64_t>(static_cast<std::uint64_t>(at_ns_) + whole_ns), period_ns_);
    }
    return true;
  }

  // Gives what is due to who waits longest.
  void serve_locked() noexcept {
    const std::int64_t at_ns = at_ns_;
    const bool was_armed = armed_;
    channel_word word = 0;
    if (!receivers_.is_empty() && take_locked(word) && !receivers_.claim_first(case_end::done, word)) {
      at_ns_ = at_ns;  // All of them had been served elsewhere: nobody has received it.
      armed_ = was_armed;
    }
    tune_locked();
  }

  // The engine looks again when somebody waits, at the deadline, and not otherwise.
  void tune_locked() noexcept {
    const std::int64_t at_ns = armed_ && !receivers_.is_empty() ? at_ns_ : ns_max;
    if (at_ns == wake_at_ns_) return;
    wake_at_ns_ = at_ns;
    if (at_ns == ns_max) {
      static_cast<void>(wake_.cancel());
    } else {
      static_cast<void>(wake_.arm_at(go::instant(duration(at_ns))));
    }
  }

  // All under lock_.
  timer_service* service_;  // null once it is shut down
  bool armed_ = false;
  std::int64_t at_ns_ = ns_max;       // when armed: the instant of the next value
  std::int64_t period_ns_ = 0;        // 0: one-shot
  std::int64_t wake_at_ns_ = ns_max;  // what wake_ is armed for; ns_max: not armed
  // Last: it goes first, and its destructor waits for a `wake` in progress. Its verbs may be called under lock_.
  detent::timer wake_;
};

timer_port& timer_at(port& at) noexcept { return static_cast<timer_port&>(at); }

}  // namespace

port_share make_timer_port(timer_service& service, std::source_location place) {
  return std::make_shared<timer_port>(service, place);
}

go::found reset_timer_port(port& at, std::int64_t delay_ns, std::int64_t period_ns) noexcept {
  return timer_at(at).reset(delay_ns, period_ns);
}

go::found stop_timer_port(port& at) noexcept { return timer_at(at).stop(); }

class func_log {
 public:
  void note(func_step step) noexcept {
    const std::lock_guard guard(lock_);
    last_ = step;
  }
  func_step last() noexcept {
    const std::lock_guard guard(lock_);
    return last_;
  }

 private:
  std::mutex lock_;
  func_step last_ = func_step::never_armed;  // under lock_
};

std::shared_ptr<func_log> make_func_log() { return std::make_shared<func_log>(); }
void note(func_log& log, func_step step) noexcept { log.note(step); }
func_step last_step(func_log& log) noexcept { return log.last(); }

}  // namespace detent::inline v0::detail
