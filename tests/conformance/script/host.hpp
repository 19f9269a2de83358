// host: a script engine for tests, whose functions are C++ functions. It checks in every call that it is on its thread,
// and counts what is released.
#pragma once

#include <detent/detent.hpp>
#include <detent/script.hpp>
#include <detent/script_loop.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <support/gate.hpp>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace script_test {

using function = std::function<void(const detent::script_occasion&)>;

class test_host : public detent::script_host {
 public:
  // Any thread: a function that the layer may hold.
  detent::script_reference hold(function what) {
    const std::lock_guard guard(lock_);
    const std::uint64_t number = ++last_;
    functions_.emplace(number, std::make_shared<function>(std::move(what)));
    return {number};
  }
  detent::script_reference hold(std::function<void()> what) {
    return hold(function([what = std::move(what)](const detent::script_occasion&) { what(); }));
  }

  void post(detent::script_task work) override {
    if (takes(failing_posts)) throw std::bad_alloc();
    if (takes(dropped_posts)) return;
    loop.post(std::move(work));
  }
  bool is_own_thread() const noexcept override { return loop.is_own_thread(); }

  detent::script_outcome call(detent::script_reference what, const detent::script_occasion& occasion) override {
    EXPECT_TRUE(is_own_thread());
    std::shared_ptr<function> found;
    {
      const std::lock_guard guard(lock_);
      const auto place = functions_.find(what.value);
      EXPECT_NE(place, functions_.end()) << "called after it was released";
      if (place == functions_.end()) return {};
      found = place->second;
    }
    calls.fetch_add(1);
    if (takes(failing_calls)) throw std::runtime_error("call");
    try {
      (*found)(occasion);
    } catch (const std::exception& thrown) {
      return {detent::script_outcome::kind::threw, thrown.what()};
    }
    return {};
  }

  void release(detent::script_reference what) noexcept override {
    EXPECT_TRUE(is_own_thread());
    std::shared_ptr<function> gone;  // destroyed outside of the lock
    const std::lock_guard guard(lock_);
    const auto place = functions_.find(what.value);
    EXPECT_NE(place, functions_.end()) << "released twice";
    if (place == functions_.end()) return;
    gone = std::move(place->second);
    functions_.erase(place);
  }

  void report(std::int64_t id, const std::string& error) override {
    EXPECT_TRUE(is_own_thread());
    if (takes(failing_reports)) throw std::runtime_error("report");
    reports.emplace_back(id, error);
  }

  std::size_t held() {
    const std::lock_guard guard(lock_);
    return functions_.size();
  }

  detent::script_loop loop;
  std::atomic<std::uint64_t> calls{0};
  std::vector<std::pair<std::int64_t, std::string>> reports;  // the engine's thread
  // How many of the next ones throw, or come to nothing.
  std::atomic<int> failing_posts{0};
  std::atomic<int> dropped_posts{0};
  std::atomic<int> failing_calls{0};
  std::atomic<int> failing_reports{0};

 private:
  static bool takes(std::atomic<int>& left) { return left.load() > 0 && left.fetch_sub(1) > 0; }
  std::mutex lock_;
  std::map<std::uint64_t, std::shared_ptr<function>> functions_;  // guarded by lock_
  std::uint64_t last_ = 0;                                        // guarded by lock_
};

// One engine in virtual time, on the thread of the test.
class in_virtual_time : public ::testing::Test {
 protected:
  explicit in_virtual_time(detent::script_rules rules, std::size_t limit = 1'000'000)
      : timers(std::make_unique<detent::script_timers>(host, options(rules, limit))) {}

  detent::script_options options(detent::script_rules rules, std::size_t limit) {
    detent::script_options made;
    made.rules = rules;
    made.live_limit = limit;
    made.clock = &clock;
    return made;
  }
  void pass_ms(double ms) {
    clock.advance(std::chrono::duration<double, std::milli>(ms) < std::chrono::nanoseconds(0)
                      ? std::chrono::nanoseconds(0)
                      : std::chrono::nanoseconds(static_cast<std::int64_t>(ms * 1e6)));
    host.loop.run_posted();
  }
  std::int64_t after(double ms, std::function<void()> what) {
    return timers->set_timeout(ms, host.hold(std::move(what))).id;
  }
  std::int64_t every(double ms, std::function<void()> what) {
    return timers->set_interval(ms, host.hold(std::move(what))).id;
  }
  // A function that writes `word` down.
  std::function<void()> write(std::string word) {
    return [this, word = std::move(word)] { written += word; };
  }

  detent::manual_clock clock;
  test_host host;
  std::string written;
  std::unique_ptr<detent::script_timers> timers;
};

// One engine in real time, on a thread of its own.
class engine_thread {
 public:
  explicit engine_thread(detent::script_options options = {})
      : timers(std::make_unique<detent::script_timers>(host, std::move(options))), thread_([this] {
          host.loop.adopt();
          ready_.open();
          host.loop.run([] { return true; });
          host.loop.run_posted();
        }) {
    ready_.pass();
  }
  ~engine_thread() { end(); }
  // The engine's end, on another thread: first its timers, then its loop. Again, it does nothing.
  void end() {
    if (std::exchange(is_over_, true)) return;
    timers.reset();
    host.loop.stop();
    thread_.join();
  }
  // Runs `work` on the engine's thread and waits for it.
  void on_thread(std::function<void()> work) {
    auto done = std::make_shared<support::gate>();
    host.loop.post([work = std::move(work), done] {
      work();
      done->open();
    });
    done->pass();
  }

  test_host host;
  std::unique_ptr<detent::script_timers> timers;

 private:
  bool is_over_ = false;
  support::gate ready_;
  support::background thread_;
};

}  // namespace script_test
