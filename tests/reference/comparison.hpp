// The service and the model under the same operations: the same calls in the same order at the same instants, the same
// answers, the same missed ticks, the same clocks. A sequence on which they differ is made smaller and printed as C++.
#pragma once

#include "reference/drawing.hpp"
#include "reference/operation.hpp"
#include "reference/real_world.hpp"
#include "reference/timer_model.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace reference {

struct script {
  std::int64_t start_ns = 0;
  std::uint64_t callbacks = 0;  // what callbacks do (act_in_callback); 0: nothing
  std::vector<operation> operations{};
};

inline std::string say(const event& e) {
  static const char* const names[] = {"call", "arm", "cancel", "close", "status", "count"};
  std::ostringstream text;
  text << names[static_cast<std::size_t>(e.what)] << " t" << e.timer << " (" << e.a << ", " << e.b << ", " << e.c
       << ")";
  return text.str();
}

// Empty when both saw the same.
inline std::string difference(const world& service, const world& model) {
  const std::size_t longer = std::max(service.trace.size(), model.trace.size());
  for (std::size_t i = 0; i < longer; ++i) {
    const event* s = i < service.trace.size() ? &service.trace[i] : nullptr;
    const event* m = i < model.trace.size() ? &model.trace[i] : nullptr;
    if (s != nullptr && m != nullptr && *s == *m) continue;
    return "event " + std::to_string(i) + " of the last operation: the service has " +
           (s != nullptr ? say(*s) : "nothing") + ", the model " + (m != nullptr ? say(*m) : "nothing");
  }
  for (const auto clock : {detent::clock_kind::steady, detent::clock_kind::boottime, detent::clock_kind::system}) {
    if (service.now_ns(clock) == model.now_ns(clock)) continue;
    return "clock " + std::to_string(static_cast<int>(clock)) + " of the service shows " +
           std::to_string(service.now_ns(clock)) + ", the model's " + std::to_string(model.now_ns(clock));
  }
  return {};
}

// How much was compared, in this process.
struct totals {
  std::uint64_t scripts = 0;
  std::uint64_t operations = 0;  // of the driver; those that callbacks make come on top
  std::uint64_t events = 0;      // calls and answers, those in callbacks too
};
inline totals compared;

class comparison {
 public:
  comparison(std::int64_t start_ns, std::uint64_t callbacks)
      : played_{start_ns, callbacks}, service_(start_ns), model_(start_ns) {
    for (world* w : {static_cast<world*>(&service_), static_cast<world*>(&model_)}) {
      w->on_call = &act_in_callback;
      w->context = &played_.callbacks;
    }
    ++compared.scripts;
    keep_far_timer();
  }
  comparison(const comparison&) = delete;
  comparison& operator=(const comparison&) = delete;

  // An operation that has no answer in this state is left out.
  bool play(const operation& o) {
    if (!is_allowed(model_, o)) return agrees();
    played_.operations.push_back(o);
    both(o);
    keep_far_timer();
    return agrees();
  }

  bool agrees() const { return difference_.empty(); }
  const std::string& what_differs() const { return difference_; }
  const timer_model& model() const { return model_; }
  const script& played() const { return played_; }

 private:
  void both(const operation& o) {
    if (!agrees()) return;
    service_.trace.clear();
    model_.trace.clear();
    perform(service_, o);
    perform(model_, o);
    ++compared.operations;
    compared.events += model_.trace.size();
    difference_ = difference(service_, model_);
    if (agrees() && moves_clocks(o) && service_.counters().early != 0)
      difference_ = "the service counted an early call";
  }

  // Wheels break where nothing but the far future is left.
  void keep_far_timer() {
    if (model_.status(far_timer) == detent::timer_state::closed) both({operation::verb::create, far_timer, 0});
    if (model_.status(far_timer) != detent::timer_state::pending) {
      both({operation::verb::arm_at, far_timer, INT64_MAX - 100 - static_cast<std::int64_t>(played_.callbacks % 1000)});
    }
  }

  script played_;
  real_world service_;
  timer_model model_;
  std::string difference_;
};

// Empty when service and model agree to the end. To be used in tests: EXPECT_EQ(play(s), "").
inline std::string play(const script& s) {
  comparison both(s.start_ns, s.callbacks);
  for (const operation& o : s.operations) {
    if (!both.play(o)) break;
  }
  return both.what_differs();
}

// Makes a script on which they differ smaller: operations left out, by halves first and one by one last; callbacks that
// do nothing; a clock that starts at zero; amounts towards zero. Ends when nothing helps any more, or after a time.
class shrinking {
 public:
  explicit shrinking(script failing) : failing_(std::move(failing)) {}

  script result() {
    for (bool smaller = true; smaller && !is_late();) {
      smaller = leave_out();
      smaller = simplify_frame() || smaller;
      for (std::size_t i = 0; i < failing_.operations.size(); ++i) {
        smaller = lessen(i, &operation::amount) || smaller;
        smaller = lessen(i, &operation::period_ns) || smaller;
      }
    }
    return failing_;
  }

 private:
  bool is_late() const { return std::chrono::steady_clock::now() > until_; }

  bool still_fails(script smaller) {
    if (is_late() || reference::play(smaller).empty()) return false;
    failing_ = std::move(smaller);
    return true;
  }

  bool leave_out() {
    bool smaller = false;
    for (std::size_t part = failing_.operations.size(); part > 0; part /= 2) {
      for (std::size_t from = 0; from < failing_.operations.size();) {
        script without = failing_;
        const auto first = without.operations.begin() + static_cast<std::ptrdiff_t>(from);
        const std::size_t count = std::min(part, without.operations.size() - from);
        without.operations.erase(first, first + static_cast<std::ptrdiff_t>(count));
        if (still_fails(std::move(without))) smaller = true;
        else from += part;
      }
    }
    return smaller;
  }

  bool simplify_frame() {
    bool smaller = false;
    if (failing_.callbacks != 0) smaller = still_fails({failing_.start_ns, 0, failing_.operations});
    if (failing_.start_ns != 0) smaller = still_fails({0, failing_.callbacks, failing_.operations}) || smaller;
    return smaller;
  }

  // Halving what is still left to go, as long as that fails.
  bool lessen(std::size_t i, std::int64_t operation::*member) {
    bool smaller = false;
    for (std::int64_t cut = failing_.operations[i].*member; cut != 0; cut /= 2) {
      script less = failing_;
      less.operations[i].*member -= cut;
      if (still_fails(std::move(less))) smaller = true;  // Never past zero: the cuts add up to the amount at most.
      if (failing_.operations[i].*member == 0) break;
    }
    return smaller;
  }

  script failing_;
  std::chrono::steady_clock::time_point until_ = std::chrono::steady_clock::now() + std::chrono::seconds(10);
};

inline script shrink(script failing) { return shrinking(std::move(failing)).result(); }

// A test to be pasted into tests/stress/reference_test.cpp.
inline std::string as_test(const script& s) {
  std::ostringstream text;
  text << "TEST(Reference, Counterexample) {\n  const script found{"
       << (s.start_ns == INT64_MIN ? "INT64_MIN" : std::to_string(s.start_ns)) << ", " << s.callbacks << "U, {\n";
  for (const operation& o : s.operations) text << "    " << as_code(o) << ",\n";
  text << "  }};\n  EXPECT_EQ(play(found), \"\");\n}\n";
  return text.str();
}

// What is printed when they differ.
inline std::string tell(const comparison& both) {
  const script smallest = shrink(both.played());
  return both.what_differs() + "\nThe smallest script found, of " + std::to_string(both.played().operations.size()) +
         " operations:\n" + as_test(smallest) + "It says: " + play(smallest) + "\n";
}

}  // namespace reference
