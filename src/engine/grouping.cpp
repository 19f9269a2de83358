// grouping: making many timers quiet together. Words are changed under the tree's lock; callables are destroyed and calls
// are waited for after it.
#include "engine/core.hpp"

#include <new>

namespace detent::inline v0::detail {

namespace {

// Requires: the tree's lock. Visits the members of `group` and of every group below it.
template <class Visit>
void for_each_member(core* owner, group_record* group, Visit& visit) noexcept DETENT_REQUIRES(group->tree->lock) {
  for (std::uint32_t i = group->first_member; i != no_index; i = owner->cold(i).group_next) visit(i);
  for (group_record* child = group->first_child; child != nullptr; child = child->next_sibling) {
    for_each_member(owner, child, visit);
  }
}

void mark_closed(group_record* group) noexcept DETENT_REQUIRES(group->tree->lock) {
  group->closed = true;
  for (group_record* child = group->first_child; child != nullptr; child = child->next_sibling) mark_closed(child);
}

std::size_t count_members(const group_record* group) noexcept DETENT_REQUIRES(group->tree->lock) {
  std::size_t count = group->member_count;
  for (group_record* child = group->first_child; child != nullptr; child = child->next_sibling) {
    count += count_members(child);
  }
  return count;
}

constexpr bool withdrew(cancel_result r) noexcept {
  return r == cancel_result::cancelled || r == cancel_result::cancelled_running;
}

}  // namespace

group_record* core::make_group(group_record* parent, const group_options& options) {
  auto* group = new group_record(this, nullptr, parent, options.order == group_order::serial, std::string(options.name));
  if (parent == nullptr) {
    auto* tree = new (std::nothrow) group_tree;
    if (tree == nullptr) {
      delete group;
#if DETENT_EXCEPTIONS
      throw std::bad_alloc();
#else
      return nullptr;
#endif
    }
    group->tree = tree;
  } else {
    group->tree = parent->tree;
    group->tree->groups.fetch_add(1, std::memory_order_relaxed);  // N1
    share_group(parent);
    lock_guard guard(group->tree->lock);
    group->closed = parent->closed;
    group->next_sibling = parent->first_child;
    parent->first_child = group;
  }
  share();
  return group;
}

void core::unshare_group(group_record* group) noexcept {
  if (group->shares.fetch_sub(1, std::memory_order_acq_rel) != 1) return;  // N2
  core* owner = group->owner;
  group_tree* tree = group->tree;
  group_record* parent = group->parent;
  if (parent != nullptr) {
    lock_guard guard(tree->lock);
    group_record** at = &parent->first_child;
    while (*at != group) at = &(*at)->next_sibling;
    *at = group->next_sibling;
  }
  delete group;
  if (tree->groups.fetch_sub(1, std::memory_order_acq_rel) == 1) delete tree;  // N2
  if (parent != nullptr) unshare_group(parent);
  owner->unshare();
}

std::size_t core::cancel_group(group_record* group) noexcept {
  core* owner = group->owner;
  if (owner->is_gone()) return 0;
  std::size_t withdrawn = 0;
  std::uint32_t to_end = no_index;
  {
    lock_guard guard(group->tree->lock);
    auto visit = [&](std::uint32_t i) {
      const cancel_result found = owner->cancel_word(i);
      if (withdrew(found)) ++withdrawn;
      // As for a single id: what only its id names ends when nothing is pending.
      if (found != cancel_result::cancelled || owner->cold(i).held_by == tenure::handle) return;
      if (owner->close_word(i, state::closed | state::orphan_bit).ours_to_end) {
        owner->registry_.cold(i).end_next = std::exchange(to_end, i);
      }
    };
    for_each_member(owner, group, visit);
  }
  owner->end_chain(to_end);
  return withdrawn;
}

std::size_t core::close_group(group_record* group) noexcept {
  core* owner = group->owner;
  if (owner->is_gone()) return 0;
  std::size_t withdrawn = 0;
  std::uint32_t to_end = no_index;
  {
    lock_guard guard(group->tree->lock);
    mark_closed(group);
    auto visit = [&](std::uint32_t i) {
      const bool owned = owner->cold(i).held_by == tenure::handle;
      const ending found = owner->close_word(i, state::closed | (owned ? 0 : state::orphan_bit));
      if (withdrew(found.outcome)) ++withdrawn;
      if (found.ours_to_end) owner->registry_.cold(i).end_next = std::exchange(to_end, i);
    };
    for_each_member(owner, group, visit);
  }
  owner->end_chain(to_end);
  return withdrawn;
}

std::size_t core::stop_group(group_record* group) noexcept {
  core* owner = group->owner;
  if (owner->is_gone()) return 0;
  std::size_t asked = 0;
  lock_guard guard(group->tree->lock);
  auto visit = [&](std::uint32_t i) { asked += owner->stop_call(i) ? 1U : 0U; };
  for_each_member(owner, group, visit);
  return asked;
}

std::size_t core::group_size(group_record* group) noexcept {
  lock_guard guard(group->tree->lock);
  return count_members(group);
}

// Waits, by ascending index, for the calls in progress of members, detached ones included; each member at most once, so
// that one that arms itself again cannot keep the waiter. Calls of this thread are left out and answered for.
wait_result core::wait_group(group_record* group, std::int64_t limit_ns) noexcept {
  core* owner = group->owner;
  if (owner->is_gone()) return wait_result::quiet;
  const std::int64_t until_ns = until(limit_ns);
  const wait_target target{&covers_group, group};
  const wait_result good = covers_own_call(target) ? wait_result::from_callback : wait_result::quiet;
  const auto is_own = [owner](std::uint32_t index) {
    for (const call_node* c = current_calls(); c != nullptr; c = c->outer) {
      if (c->key.core == owner && c->key.index == index) return true;
    }
    return false;
  };
  cycle found;
  std::optional<registered_wait> entered;
  for (std::uint32_t from = 0;;) {
    std::uint32_t at = no_index;
    std::uint32_t calls = 0;
    eventcount::ticket tickets[std::tuple_size_v<decltype(owner->buckets_)>];
    for (std::size_t b = 0; b < owner->buckets_.size(); ++b) tickets[b] = owner->buckets_[b].ended.prepare();
    {
      lock_guard guard(group->tree->lock);
      auto visit = [&](std::uint32_t i) {
        if (i < from || i >= at || is_own(i)) return;
        if (state::is_calling(owner->registry_.hot(i).state.load(std::memory_order_acquire))) at = i;  // T13 <- T5.
      };
      for_each_member(owner, group, visit);
      if (at == no_index) return good;
      // A member stays listed until its record is free, so under the lock it is still this tenant's call.
      calls = owner->registry_.hot(at).calls.load(std::memory_order_acquire);  // C2 <- C1.
      if (!owner->await_bit(at, false)) continue;
    }
    const record& r = owner->registry_.hot(at);
    const auto is_over = [&] {
      return !state::is_calling(r.state.load(std::memory_order_acquire)) ||  // T13 <- T5.
             r.calls.load(std::memory_order_acquire) != calls;               // C2 <- C1.
    };
    eventcount::ticket ticket = tickets[at % owner->buckets_.size()];
    while (!is_over()) {
      if (!entered.has_value()) {
        entered.emplace(target, &found);
        if (entered->is_refused()) {
          owner->report_deadlock(found, true);
          return wait_result::would_deadlock;
        }
      }
      if (platform::read_clock_ns(clock_id::steady) >= until_ns) return wait_result::timed_out;
      owner->sleep_for_end(at, ticket, until_ns, is_over);
      ticket = owner->bucket_of(at).prepare();
      if (!owner->await_bit(at, false)) break;
    }
    from = at + 1;
  }
}

void core::destroy_group(group_record* group) noexcept {
  core* owner = group->owner;
  if (!owner->is_gone()) {
    static_cast<void>(close_group(group));
    static_cast<void>(wait_group(group, ns_max));
  }
  unshare_group(group);
}

}  // namespace detent::inline v0::detail
