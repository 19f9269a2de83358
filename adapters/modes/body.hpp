// body: what `modes` is. One lock for the gate; the hooks are a queue of their own that one thread at a time works off.
#pragma once

#include <detent/detail/series_place.hpp>
#include <detent/modes.hpp>
#include <detent/timer.hpp>

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

DETENT_BEGIN_NAMESPACE

struct modes::body {
  struct mode {
    explicit mode(mode_options made) : options(std::move(made)) {}
    const mode_options options;  // read without the lock
    std::int64_t total_ns = 0;
    std::uint64_t entered = 0;
  };
  struct binding {
    std::vector<std::string> in;
    bool away = false;
  };
  // Found by address, and visited in the order of binding: what comes back at one instant goes on in that order,
  // wherever it lies in memory.
  class bindings {
   public:
    void put(mode_bound* what, binding made) {
      const auto [place, is_new] = places_.try_emplace(what, in_order_.end());
      if (!is_new) {
        place->second->second = std::move(made);
        return;
      }
      try {
        place->second = in_order_.emplace(in_order_.end(), what, std::move(made));
      } catch (...) {
        places_.erase(place);
        throw;
      }
    }
    void erase(mode_bound* what) noexcept {
      const auto place = places_.find(what);
      if (place == places_.end()) return;
      in_order_.erase(place->second);
      places_.erase(place);
    }
    auto begin() noexcept { return in_order_.begin(); }
    auto end() noexcept { return in_order_.end(); }

   private:
    std::list<std::pair<mode_bound*, binding>> in_order_;
    std::unordered_map<mode_bound*, std::list<std::pair<mode_bound*, binding>>::iterator> places_;
  };
  struct listener;
  // One change, as its hooks need it: nothing here is looked up again.
  struct step {
    std::shared_ptr<mode> from;
    std::shared_ptr<mode> to;
    std::vector<std::shared_ptr<mode_group_options>> left;
    std::vector<std::shared_ptr<mode_group_options>> entered;
    std::vector<std::shared_ptr<listener>> listeners;
  };
  // Its call is that of a timer, which is closed to remove it: so whoever waits for it waits in the library's own
  // graph, and a wait that would close a cycle is refused.
  struct listener {
    listener(body& of, detail::hook<void(const std::string&, const std::string&)> what)
        : told(std::move(what)), call(of.callers, [this, &of](firing&) { of.call_listener(*this); }) {}
    const detail::hook<void(const std::string&, const std::string&)> told;
    const step* change = nullptr;  // touched by the thread at the hooks
    timer call;                    // has locks of its own
  };

  body(timer_service& clock, modes_options made);
  std::int64_t now_ns() const { return service.now().time_since_epoch().count(); }
  std::shared_ptr<mode> find_locked(const std::string& name) const;
  mode_change set(const std::string& name);
  void pass_gate_locked(const std::shared_ptr<mode>& to);
  void run_hooks();
  void run_step(const step& change) noexcept;
  // `of` is the mode, or the group, whose hook it is.
  template <class Hook, class... Args>
  void run(const std::string& of, const Hook& hook, const Args&... arguments) noexcept;
  void run_listener(listener& one, const step& change) noexcept;
  void call_listener(const listener& one) noexcept;
  void tell(const std::string& of, const char* what) noexcept;

  timer_service& service;
  timer_service callers;  // driven by the thread at the hooks; only for listeners
  const modes_options options;
  mutable std::mutex lock;  // guards everything below; above the locks of the services
  std::vector<std::shared_ptr<mode>> all;
  std::vector<std::shared_ptr<mode_group_options>> groups;
  std::vector<std::pair<std::uint64_t, std::shared_ptr<listener>>> listeners;
  bindings bound;
  std::shared_ptr<mode> current;
  std::string previous;
  std::int64_t since_ns = 0;
  std::uint64_t transitions = 0;
  std::uint64_t next_listener = 1;
  std::deque<step> steps;   // whose hooks have not begun
  bool is_running = false;  // a thread is at the hooks
  bool has_hooks = false;   // the initial mode was given them
};

DETENT_END_NAMESPACE
