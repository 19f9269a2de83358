// ordering: what the detectors of lock-order cycles are told (sync/lock_order.hpp): which user code runs, and which
// verb may wait for it. A verb tells before it looks whether there is anything to wait for, but not when it never could
// wait: with a limit, inside the very call, for what is closed and quiet.
#include "engine/core.hpp"
#include "engine/on_stack.hpp"

#include <optional>

namespace detent::inline v0::detail {

#if DETENT_THREAD_SANITIZER || DETENT_TRACKS_LOCKS

namespace {

lock_label label_of(const cold_part& c) noexcept { return {"callback of timer", c.name, c.place}; }
lock_label label_of(const group_record& g) noexcept { return {"callbacks of group", g.name.c_str(), {}}; }
lock_label label_of(const std::string& service) noexcept { return {"callbacks of service", service.c_str(), {}}; }

}  // namespace

core::user_code::user_code(core* owner, std::uint32_t index) noexcept
    : owner_(owner), cold_(owner->registry_.cold(index)), group_(cold_.group) {
  owner_->lock_order_.enter(label_of(owner_->options_.name));
  for (group_record* g = group_; g != nullptr; g = g->parent) g->lock_order.enter(label_of(*g));
  cold_.lock_order.enter(label_of(cold_));
}

core::user_code::~user_code() {
  cold_.lock_order.leave();
  for (group_record* g = group_; g != nullptr; g = g->parent) g->lock_order.leave();
  owner_->lock_order_.leave();
}

// Whether a callback of this service may run beside the callback that the calling thread is in, so that the latter may
// have to wait for it. What an executor of the user's does is not known.
bool core::may_overlap_own() const noexcept {
  if (!inside_own_callback()) return true;
  return options_.executor.which() == executor_choice::kind::pool && options_.executor.threads() > 1;
}

void core::order_wait_for(named timer, std::int64_t limit_ns, const char* verb) noexcept {
  if (limit_ns != ns_max || is_gone() || !registry_.exists(timer.index) || makes_call(timer.index, false)) return;
  std::optional<order_wait> wait;
  {
    lock_guard guard(registry_.lock_of(timer.index));
    if (timer.generation != 0 && registry_.generation(timer.index) != timer.generation) return;
    const std::uint64_t s = registry_.hot(timer.index).state.load(memory_order_acquire);  // T13 <- T3, T5.
    if (state::is_terminal(s) && !state::is_calling(s)) return;
    cold_part& c = registry_.cold(timer.index);
    wait.emplace(c.lock_order, label_of(c), verb, may_overlap_own());
  }
  wait->tell();
}

void core::order_wait_for(group_record* group, std::int64_t limit_ns, const char* verb) noexcept {
  core* owner = group->owner;
  if (limit_ns != ns_max || owner->is_gone() || covers_own_call({&covers_group, &never_over, group})) return;
  {
    lock_guard guard(group->tree->lock);
    if (group->closed && group->first_member == no_index && owner->next_calling_member(group, 0) == no_index) return;
  }
  order_wait(group->lock_order, label_of(*group), verb, owner->may_overlap_own()).tell();
}

bool core::may_call() noexcept {
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t s = registry_.hot(i).state.load(memory_order_acquire);  // T13 <- T5, T8.
    if (!state::is_terminal(s) || state::is_calling(s)) return true;
  }
  return false;
}

void core::order_wait_for_all(std::int64_t limit_ns, const char* verb) noexcept {
  if (limit_ns != ns_max || inside_own_callback()) return;
  bool over = false;
  {
    lock_guard guard(shutdown_lock_);
    over = shutdown_over_.load(memory_order_relaxed);  // The lock orders it.
  }
  if (over && !may_call()) return;
  order_wait(lock_order_, label_of(options_.name), verb, true).tell();
}

#endif

}  // namespace detent::inline v0::detail
