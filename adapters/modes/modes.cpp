// modes: the gate and the hooks.
#include "body.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>

DETENT_BEGIN_NAMESPACE

namespace {

bool is_among(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Without a thread: callbacks run inside `run_due`.
service_options options_of_callers() {
  service_options made;
  made.name = "modes";
  made.drive = drive::by_user;
  made.executor = on_driver{};
  return made;
}

}  // namespace

modes::body::body(timer_service& clock, modes_options made)
    : service(clock), callers(options_of_callers()), options(std::move(made)) {
  mode_options unnamed;
  unnamed.name = options.initial;
  auto first = std::make_shared<mode>(std::move(unnamed));
  first->entered = 1;
  all.push_back(first);
  current = first;
  since_ns = now_ns();
}

std::shared_ptr<modes::body::mode> modes::body::find_locked(const std::string& name) const {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one->options.name == name; });
  return found == all.end() ? nullptr : *found;
}

// Requires: `to` is not current. Throws std::bad_alloc before anything has changed.
void modes::body::pass_gate_locked(const std::shared_ptr<mode>& to) {
  step change{current, to, {}, {}, {}};
  const std::string& name = to->options.name;
  std::string before = current->options.name;
  for (const auto& group : groups) {
    const bool was_in = is_among(group->modes, before);
    const bool is_in = is_among(group->modes, name);
    if (was_in && !is_in) change.left.push_back(group);
    if (!was_in && is_in) change.entered.push_back(group);
  }
  for (const auto& [number, told] : listeners) change.listeners.push_back(told);
  steps.push_back(std::move(change));
  // From here on nothing throws.
  const std::int64_t now = now_ns();
  current->total_ns = detail::add_ns(current->total_ns, detail::subtract_ns(now, since_ns));
  since_ns = now;
  previous = std::move(before);
  current = to;
  ++to->entered;
  ++transitions;
  for (auto& [what, tied] : bound) {
    const bool is_away = !is_among(tied.in, name);
    if (is_away == std::exchange(tied.away, is_away)) continue;
    if (is_away) {
      what->leave();
    } else {
      what->come_back();
    }
  }
}

mode_change modes::body::set(const std::string& name) {
  {
    const std::lock_guard guard(lock);
    const auto to = find_locked(name);
    if (to == nullptr) return mode_change::unknown;
    if (to == current) return mode_change::unchanged;
    pass_gate_locked(to);
  }
  run_hooks();
  return mode_change::changed;
}

// Whoever finds nobody at the hooks works off all of them, those that come meanwhile too. A change made inside a hook,
// or beside this thread, finds it at work and leaves its hooks to it.
void modes::body::run_hooks() {
  for (bool is_mine = false;;) {
    step change;
    {
      const std::lock_guard guard(lock);
      if (!is_mine && is_running) return;
      is_mine = true;
      is_running = !steps.empty();
      if (!is_running) return;
      change = std::move(steps.front());
      steps.pop_front();
    }
    run_step(change);
  }
}

// Nothing leaves a hook: else `is_running` would stay, and no hook would ever run again.
template <class Hook, class... Args>
void modes::body::run(const std::string& of, const Hook& hook, const Args&... arguments) noexcept {
  if (!hook) return;
  try {
    hook(arguments...);
  } catch (const std::exception& thrown) {
    tell(of, thrown.what());
  } catch (...) {
    tell(of, "an exception that is no std::exception");
  }
}

void modes::body::tell(const std::string& of, const char* what) noexcept {
  try {
    if (options.on_error) return options.on_error(what);
    std::fprintf(stderr, "detent: a hook of the mode \"%s\" threw: %s\n", of.c_str(), what);
  } catch (...) {  // NOLINT(bugprone-empty-catch): nobody is left to be told
  }
}

void modes::body::run_step(const step& change) noexcept {
  const mode_options& from = change.from->options;
  const mode_options& to = change.to->options;
  run(from.name, from.on_exit);
  run(from.name, from.on_exit_to, to.name);
  run(to.name, to.on_enter);
  run(to.name, to.on_enter_from, from.name);
  for (const auto& group : change.left) run(group->name, group->on_exit);
  for (const auto& group : change.entered) run(group->name, group->on_enter);
  for (const auto& one : change.listeners) run_listener(*one, change);
}

// One that was removed since the change is closed: it is not called, and whoever removes it now waits for its call. In
// a fork child, where no service works, it is called without that.
void modes::body::run_listener(listener& one, const step& change) noexcept {
  one.change = &change;
  const arm_result due = one.call.arm_at(steady_clock::time_point::min());
  if (due == arm_result::closed) return;
  if (callers.run_due().outcome != run_answer::kind::ran) call_listener(one);
}

void modes::body::call_listener(const listener& one) noexcept {
  const std::string& now = one.change->to->options.name;
  run(now, one.told, now, one.change->from->options.name);
}

// --- The face.
// --------------------------------------------------------------------------------------------------------

modes::modes(timer_service& service, modes_options options)
    : body_(std::make_shared<body>(service, std::move(options))) {}
modes::~modes() = default;

mode_change modes::add(mode_options mode) {
  const auto made = std::make_shared<body::mode>(std::move(mode));
  const std::string& name = made->options.name;
  const std::lock_guard guard(body_->lock);
  const auto known = body_->find_locked(name);
  if (known == nullptr) {
    body_->all.push_back(made);
    return mode_change::changed;
  }
  const bool is_initial = name == body_->options.initial;
  if (!is_initial || body_->transitions != 0 || std::exchange(body_->has_hooks, true)) return mode_change::unchanged;
  // In place of the one without hooks, which an `update` on another thread may be looking at.
  made->entered = known->entered;
  body_->current = made;
  *std::find(body_->all.begin(), body_->all.end(), known) = made;
  return mode_change::changed;
}

mode_change modes::add_group(mode_group_options group) {
  const std::lock_guard guard(body_->lock);
  for (const auto& known : body_->groups) {
    if (known->name == group.name) return mode_change::unchanged;
  }
  body_->groups.push_back(std::make_shared<mode_group_options>(std::move(group)));
  return mode_change::changed;
}

mode_change modes::set(const std::string& name) { return body_->set(name); }

mode_change modes::update() {
  std::vector<std::shared_ptr<body::mode>> asked;
  {
    const std::lock_guard guard(body_->lock);
    asked = body_->all;
  }
  std::stable_sort(asked.begin(), asked.end(),
                   [](const auto& a, const auto& b) { return a->options.priority > b->options.priority; });
  for (const auto& one : asked) {
    bool holds = false;
    const auto& options = one->options;
    if (options.condition) body_->run(options.name, detail::hook<void()>([&] { holds = options.condition(); }));
    if (holds) return body_->set(options.name);
  }
  return body_->set(body_->options.initial);
}

std::string modes::current() const {
  const std::lock_guard guard(body_->lock);
  return body_->current->options.name;
}
std::string modes::previous() const {
  const std::lock_guard guard(body_->lock);
  return body_->previous;
}
bool modes::is(const std::string& name) const {
  const std::lock_guard guard(body_->lock);
  return body_->current->options.name == name;
}
bool modes::is_in_group(const std::string& name) const {
  const std::lock_guard guard(body_->lock);
  return std::any_of(body_->groups.begin(), body_->groups.end(), [&](const auto& group) {
    return group->name == name && is_among(group->modes, body_->current->options.name);
  });
}
mode_times modes::times(const std::string& name) const {
  const std::lock_guard guard(body_->lock);
  const auto found = body_->find_locked(name);
  if (found == nullptr) return {};
  const std::int64_t running_ns = found == body_->current ? detail::subtract_ns(body_->now_ns(), body_->since_ns) : 0;
  return {duration(detail::add_ns(found->total_ns, running_ns)), found->entered};
}
std::uint64_t modes::transitions() const {
  const std::lock_guard guard(body_->lock);
  return body_->transitions;
}

std::uint64_t modes::add_listener(detail::hook<void(const std::string&, const std::string&)> told) {
  auto kept = std::make_shared<body::listener>(*body_, std::move(told));
  const std::lock_guard guard(body_->lock);
  body_->listeners.emplace_back(body_->next_listener, std::move(kept));
  return body_->next_listener++;
}

wait_result modes::remove_listener(std::uint64_t number) {
  std::shared_ptr<body::listener> gone;  // closed and destroyed without the lock
  {
    const std::lock_guard guard(body_->lock);
    const auto found = std::find_if(body_->listeners.begin(), body_->listeners.end(),
                                    [&](const auto& one) { return one.first == number; });
    if (found == body_->listeners.end()) return wait_result::quiet;
    gone = std::move(found->second);
    body_->listeners.erase(found);
  }
  return gone->call.close_and_wait().wait;
}

void modes::bind(mode_bound& what, std::vector<std::string> in_modes) {
  const std::lock_guard guard(body_->lock);
  const bool is_away = !is_among(in_modes, body_->current->options.name);
  body_->bound.put(&what, {std::move(in_modes), is_away});
  if (is_away) what.leave();
}

void modes::unbind(mode_bound& what) {
  const std::lock_guard guard(body_->lock);
  body_->bound.erase(&what);
}

DETENT_END_NAMESPACE
