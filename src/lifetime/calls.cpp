#include "lifetime/calls.hpp"

namespace detent::inline v0::detail {

namespace {

struct innermost;

}  // namespace

call_node*& innermost_call() noexcept { return of_this_thread<innermost, call_node*>(); }

bool covers_own_call(wait_target target) noexcept {
  for (const call_node* c = innermost_call(); c != nullptr; c = c->outer) {
    if (target.covers(target.context, c->key)) return true;
  }
  return false;
}

// Constant-initialised and trivially destructible: static objects may wait (engine.md item 11).
struct wait_graph {
  mutex lock;
  registered_wait* waits DETENT_GUARDED_BY(lock) = nullptr;

  // The call of `calls` that `target` covers, or null.
  static const call_node* covered(wait_target target, const call_node* calls) noexcept {
    for (; calls != nullptr; calls = calls->outer) {
      if (target.covers(target.context, calls->key)) return calls;
    }
    return nullptr;
  }

  // Depth-first from `target` over blocked waits to a call of `own`. On success `found` holds the calls on the way.
  bool reaches(wait_target target, const call_node* own, cycle* found) noexcept DETENT_REQUIRES(lock) {
    if (const call_node* closing = covered(target, own)) {
      note(found, closing->key);
      return true;
    }
    for (registered_wait* w = waits; w != nullptr; w = w->next_) {
      if (w->visited_ || w->target_.is_over(w->target_.context)) continue;
      const call_node* blocked = covered(target, w->calls_);
      if (blocked == nullptr) continue;
      w->visited_ = true;
      if (reaches(w->target_, own, found)) {
        note(found, blocked->key);
        return true;
      }
    }
    return false;
  }

  static void note(cycle* found, const call_key& call) noexcept {
    if (found == nullptr) return;
    if (found->length < cycle_limit) found->calls[found->length] = call;
    ++found->length;
    if (found->note != nullptr) found->note(*found, call);
  }

  void clear_marks() noexcept DETENT_REQUIRES(lock) {
    for (registered_wait* w = waits; w != nullptr; w = w->next_) w->visited_ = false;
  }
};

namespace {
constinit wait_graph graph;
}  // namespace

registered_wait::registered_wait(wait_target target, cycle* found) noexcept
    : target_(target), calls_(innermost_call()) {
  if (calls_ == nullptr) return;
  lock_guard guard(graph.lock);
  if (target.is_over(target.context)) return;  // Answered meanwhile: whoever is waited for next is not our business.
  graph.clear_marks();
  if (!busted(bug::cross_wait) && graph.reaches(target, calls_, found)) {
    refused_ = true;
    return;
  }
  next_ = graph.waits;
  graph.waits = this;
  entered_ = true;
}

registered_wait::~registered_wait() {
  if (!entered_ || busted(bug::wait_stays)) return;
  lock_guard guard(graph.lock);
  registered_wait** at = &graph.waits;
  while (*at != this) at = &(*at)->next_;
  *at = next_;
}

outside_call::outside_call(const void* of, const char* name) noexcept : node_{{.of = of, .outside = name}, nullptr} {
  call_node*& innermost = innermost_call();
  node_.outer = innermost;
  innermost = &node_;
}

outside_call::~outside_call() {
  call_node*& innermost = innermost_call();
  DETENT_CHECK(innermost == &node_, "a call outside the engine ends on its thread, before those around it");
  innermost = node_.outer;
}

void forget_waits_in_child() noexcept DETENT_EXCLUDES(graph.lock) {
  graph.lock.reset_in_child();
  lock_guard guard(graph.lock);
  graph.waits = nullptr;
}

}  // namespace detent::inline v0::detail
