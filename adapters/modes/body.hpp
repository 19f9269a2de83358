// body: what `modes` is. One lock for the gate; the hooks are a queue of their own that one thread at a time works off.
#pragma once

#include <detent/detail/series_place.hpp>
#include <detent/modes.hpp>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

DETENT_BEGIN_NAMESPACE

struct modes::body {
  struct listener {
    detail::hook<void(const std::string&, const std::string&)> told;  // set once
    bool is_removed = false;                                          // guarded by `lock`
  };

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
  // One change, as its hooks need it: nothing here is looked up again.
  struct step {
    std::shared_ptr<mode> from;
    std::shared_ptr<mode> to;
    std::vector<std::shared_ptr<mode_group_options>> left;
    std::vector<std::shared_ptr<mode_group_options>> entered;
    std::vector<std::shared_ptr<listener>> listeners;
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
  void tell(const std::string& of, const char* what) noexcept;

  timer_service& service;
  const modes_options options;
  mutable std::mutex lock;  // guards everything below; above the locks of the services
  std::vector<std::shared_ptr<mode>> all;
  std::vector<std::shared_ptr<mode_group_options>> groups;
  std::vector<std::pair<std::uint64_t, std::shared_ptr<listener>>> listeners;
  std::map<mode_bound*, binding> bound;
  std::shared_ptr<mode> current;
  std::string previous;
  std::int64_t since_ns = 0;
  std::uint64_t transitions = 0;
  std::uint64_t next_listener = 1;
  std::deque<step> steps;             // whose hooks have not begun
  bool is_running = false;            // a thread is at the hooks
  bool has_hooks = false;             // the initial mode was given them
  const listener* calling = nullptr;  // the listener on the stack of `caller`
  std::thread::id caller;
  std::condition_variable has_returned;  // `calling` has
};

DETENT_END_NAMESPACE
