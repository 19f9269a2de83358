// Poco::Util::Timer: a thread and a queue of tasks. A cancelled task cannot be scheduled again, so each arming makes
// one.
#include "peer/program.hpp"

#include <Poco/Clock.h>
#include <Poco/Util/Timer.h>
#include <Poco/Util/TimerTask.h>
#include <Poco/Version.h>
#include <vector>

namespace {

using namespace detent::bench;

class poco_timer {
 public:
  static constexpr auto name = "poco";
  static constexpr bool is_thread_safe = true;
  static std::string version() {
    return std::to_string(POCO_VERSION >> 24) + "." + std::to_string((POCO_VERSION >> 16) & 0xff) + "." +
           std::to_string((POCO_VERSION >> 8) & 0xff);
  }
  using hand = poco_timer&;

  poco_timer(std::uint32_t n, firings& sink) : sink_(sink), tasks_(n) {}

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    Poco::Clock at;
    at += (delay_ns + 999) / 1000;
    tasks_[i] = new task(on_firing{&sink_, i});
    timer_.schedule(tasks_[i], at);
  }
  void cancel(std::uint32_t i) {
    if (!tasks_[i].isNull()) tasks_[i]->cancel();
  }
  void postpone(std::uint32_t i, std::int64_t delay_ns) {
    cancel(i);
    arm(i, delay_ns);
  }
  void replace(std::uint32_t i, std::int64_t delay_ns) { postpone(i, delay_ns); }
  void arm_every(std::uint32_t i, std::int64_t period_ns) {
    tasks_[i] = new task(on_firing{&sink_, i});
    const auto period_ms = static_cast<long>(period_ns / ns_per_ms);
    timer_.scheduleAtFixedRate(tasks_[i], period_ms, period_ms);
  }
  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  class task : public Poco::Util::TimerTask {
   public:
    explicit task(const on_firing& callback) : callback_(callback) {}
    void run() override { callback_(); }

   private:
    on_firing callback_;
  };

  firings& sink_;
  Poco::Util::Timer timer_;
  std::vector<Poco::Util::TimerTask::Ptr> tasks_;
};

}  // namespace

int main(int argument_count, char** arguments) { return run_program<poco_timer>(argument_count, arguments); }
