// engine_storm: what every engine has to stand: many timers, many scripts at once, and an end at any moment.
#pragma once

#include <detent/detent.hpp>
#include <detent/modes.hpp>
#include <detent/script_loop.hpp>

#include <algorithm>
#include <atomic>
#include <bindings/engine/script_engine.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace engine_storm {

using make_engine = std::function<std::unique_ptr<detent::scripting::script_engine>(detent::script_loop&,
                                                                                    detent::scripting::engine_options)>;

// One engine on a thread of its own. Whatever its script prints is checked to come from that thread.
class engine_thread {
 public:
  engine_thread(const make_engine& make, detent::scripting::engine_options options, const std::string& script)
      : thread_([this, make, options = std::move(options), script]() mutable {
          loop_.adopt();
          const auto own = std::this_thread::get_id();
          options.on_error = [](const std::string& error) { ADD_FAILURE() << error; };
          options.on_print = [this, own](const std::string& line) {
            EXPECT_EQ(std::this_thread::get_id(), own);
            lines_.push_back(line);
            line_count.fetch_add(1);
          };
          auto engine = make(loop_, std::move(options));
          timers_.store(&engine->timers());
          EXPECT_EQ(engine->run(script, "storm").error, "");
          begun_.open();
          loop_.run([] { return true; });
          used_.pass();
          engine.reset();
          loop_.run_posted();
        }) {}
  ~engine_thread() { end(); }

  detent::script_timers& timers() {
    begun_.pass();
    return *timers_.load();
  }
  // Ends the engine wherever it is now; what it has printed.
  std::vector<std::string> end() {
    loop_.stop();
    used_.open();
    thread_.join();
    return lines_;
  }

  std::atomic<std::size_t> line_count{0};

 private:
  detent::script_loop loop_;
  std::vector<std::string> lines_;  // the thread's, and once it has ended the caller's
  std::atomic<detent::script_timers*> timers_{nullptr};
  support::gate begun_;
  support::gate used_;
  support::background thread_;
};

inline double p99(std::vector<double> of) {
  if (of.empty()) return 0;
  std::sort(of.begin(), of.end());
  return of[of.size() * 99 / 100];
}

// What another program prints, as one number; below 0 when it cannot be run.
inline double number_of(const std::string& command) {
  double told = -1;
  if (FILE* const program = popen(command.c_str(), "r")) {
    if (std::fscanf(program, "%lf", &told) != 1) told = -1;
    pclose(program);
  }
  return told;
}

// The same in Node: eight of its workers at once, each a thread with an engine of its own. The p99 in milliseconds.
inline double p99_of_node_ms(std::size_t count) {
  const std::string script =
      "const { parentPort, workerData: n } = require('worker_threads'); const late = [];"
      "for (let i = 0; i < n; ++i) { const ms = 2000 + i % 1000, due = performance.now() + ms;"
      "setTimeout(() => { late.push(performance.now() - due);"
      "if (late.length === n) parentPort.postMessage(late) }, ms) }";
  return number_of(
      "node -e \"const { Worker } = require('worker_threads'); const all = []; let left = 8;"
      "for (let i = 0; i < 8; ++i) new Worker(\\\"" +
      script + "\\\", { eval: true, workerData: " + std::to_string(count) +
      " }).on('message', (late) => { all.push(...late); if (--left === 0) "
      "console.log(all.sort((a, b) => a - b)[Math.floor(all.length * 0.99)]) })\" 2>/dev/null");
}

// Eight scripts at once, `count` timers each; every callback prints how late it is.
inline void eight_scripts(const make_engine& make, const std::string& script, std::size_t count) {
  std::vector<std::unique_ptr<engine_thread>> engines;
  for (int i = 0; i < 8; ++i) {
    detent::scripting::engine_options options;
    options.arguments = {std::to_string(count)};
    engines.push_back(std::make_unique<engine_thread>(make, std::move(options), script));
  }
  std::vector<double> late_ms;
  for (const auto& engine : engines) {
    support::eventually([&] { return engine->line_count.load() == count; });
    // The last one has printed its line, and may not have returned yet.
    support::eventually([&] { return engine->timers().active().empty(); });
    for (const std::string& line : engine->end()) late_ms.push_back(std::stod(line));
  }
  EXPECT_EQ(late_ms.size(), 8 * count);
  EXPECT_GE(*std::min_element(late_ms.begin(), late_ms.end()), 0.0);  // never early
  std::printf("8 scripts with %zu timers each: 99 %% of the calls were at most %.2f ms late", count, p99(late_ms));
  if (!support::is_short()) {
    const double node_ms = p99_of_node_ms(count);
    if (node_ms >= 0) {
      std::printf("; eight such workers in Node: %.2f ms", node_ms);
    } else {
      std::printf("; there is no `node` here to compare with");
    }
  }
  std::printf("\n");
}

// A scope of the script is bound to the mode "storm", which another thread sets and leaves: when `set` has returned, at
// most the call in progress prints its line, and no other tick starts.
inline void scope_follows_its_mode(const make_engine& make, const std::string& script) {
  detent::timer_service service;
  detent::modes modes(service);
  detent::mode_options mode;
  mode.name = "storm";
  modes.add(std::move(mode));
  detent::scripting::engine_options options;
  options.shared_modes = &modes;
  engine_thread engine(make, std::move(options), script);
  engine.timers();  // the script has been run
  const std::size_t rounds = support::times(60, 12);
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto before = engine.line_count.load();
    modes.set("storm");
    support::eventually([&] { return engine.line_count.load() > before; });
    modes.set("default");
    const auto at_most = engine.line_count.load() + 1;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_LE(engine.line_count.load(), at_most);
  }
}

// Engines that end at a random moment, while their timers fire, clear each other and change modes.
inline void end_at_random(const make_engine& make, const std::string& script, std::size_t rounds) {
  detent::timer_service service;
  detent::modes modes(service);
  std::mt19937 dice(11);
  for (std::size_t round = 0; round < rounds; ++round) {
    constexpr std::size_t told_count = 1000;
    if (round != 0 && round % told_count == 0) {
      std::printf("%zu engines have ended\n", round);
      std::fflush(stdout);
    }
    detent::scripting::engine_options options;
    options.shared_modes = &modes;
    engine_thread engine(make, std::move(options), script);
    detent::script_timers& timers = engine.timers();
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(dice() % 1500);
    while (std::chrono::steady_clock::now() < until) {
      // Any thread may: what it ends is released on the engine's.
      const auto ids = timers.active();
      if (!ids.empty()) timers.clear(ids[dice() % ids.size()]);
      modes.set(dice() % 2 == 0 ? "storm" : "default");
    }
  }
}

}  // namespace engine_storm
