#include "explore/search.hpp"

#include "explore/choosers.hpp"

#include <ctime>

namespace detent::explore {

namespace {

// Of this process alone: the machine may be busy with other things.
double cpu_s() noexcept {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

// Which words are contended is learned from executions; some at random show nearly all of it at once.
constexpr int first_look = 40;

class counted_search {
 public:
  counted_search(void (*scenario)(), const search_options& how) : scenario_(scenario), how_(how) {}

  // Answers whether to go on.
  bool run(chooser& by) {
    told_.last = execute(scenario_, by);
    told_.steps += told_.last.steps;
    ++(told_.last.what == verdict::redundant ? told_.redundant : told_.executions);
    const std::uint64_t all = told_.executions + told_.redundant;
    if ((all & 255) == 0) {
      const double now_s = cpu_s() - start_s_;
      if (how_.progress != nullptr && now_s - shown_s_ > 0.2) {
        shown_s_ = now_s;
        how_.progress(told_.executions);
      }
      if (now_s > how_.limit_s) return false;
    }
    return told_.last.what != verdict::violated && all < how_.limit;
  }

  search_result finish(bool complete) {
    told_.seconds = cpu_s() - start_s_;
    told_.complete = complete;
    return told_;
  }

 private:
  void (*scenario_)();
  const search_options& how_;
  const double start_s_ = cpu_s();
  double shown_s_ = 0;
  search_result told_;
};

}  // namespace

search_result search(void (*scenario)(), const search_options& how) {
  forget_words();
  counted_search counted(scenario, how);
  at_random dice(how.seed, 0);
  for (int i = 0; i < first_look; ++i) {
    if (!counted.run(dice)) return counted.finish(false);
  }
  static_cast<void>(learned_words());
  if (how.random_executions != 0) {
    at_random random(how.seed + 1, how.pct_depth);
    for (std::uint64_t i = first_look; i < how.random_executions; ++i) {
      if (!counted.run(random)) return counted.finish(false);
    }
    return counted.finish(false);
  }
  depth_first search(how.bound, how.stale_bound);
  for (bool more = true; more;) {
    if (!counted.run(search)) return counted.finish(false);
    // A word that is contended after all makes more steps to choose from: once more, from the start.
    if (learned_words()) search.restart();
    else more = search.advance();
  }
  return counted.finish(true);
}

search_result follow(void (*scenario)(), const std::string& schedule, bool tell_steps, bool* fits) {
  replay by(schedule);
  *fits = by.is_readable();
  search_result told;
  if (!*fits) return told;
  telling = tell_steps;
  told.last = execute(scenario, by);
  telling = false;
  told.executions = 1;
  *fits = !by.misfit();
  return told;
}

}  // namespace detent::explore
