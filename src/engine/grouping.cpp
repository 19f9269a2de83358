// grouping: making many timers quiet together. Words are changed under the tree's lock; callables are destroyed and
// calls are waited for after it.
#include "engine/core.hpp"

#include <new>

namespace detent::inline v0::detail {

namespace {

// Requires: the tree's lock. Visits the members of `group` and of every group below it.
template <class Visit>
void for_each_member(core* owner, group_record* group, Visit& visit) noexcept DETENT_REQUIRES(group->tree->lock) {
  for (std::uint32_t i = group->first_member; i != no_index; i = owner->cold(i).group_next) visit(i);
  for (std::uint32_t i = group->first_closed; i != no_index; i = owner->cold(i).group_next) visit(i);
  for (group_record* child = group->first_child; child != nullptr; child = child->next_sibling) {
    shares_tree_lock(child);
    for_each_member(owner, child, visit);
  }
}

void mark_closed(group_record* group) noexcept DETENT_REQUIRES(group->tree->lock) {
  group->closed = true;
  for (group_record* child = group->first_child; child != nullptr; child = child->next_sibling) {
    shares_tree_lock(child);
    mark_closed(child);
  }
}

std::size_t count_members(const group_record* group) noexcept DETENT_REQUIRES(group->tree->lock) {
  std::size_t count = group->member_count;
  for (group_record* child = group->first_child; child != nullptr; child = child->next_sibling) {
    shares_tree_lock(child);
    count += count_members(child);
  }
  return count;
}

constexpr bool withdrew(cancel_result r) noexcept {
  return r == cancel_result::cancelled || r == cancel_result::cancelled_running;
}

// Keeps a group while its members end: a capture may own the group.
class held_group {
 public:
  explicit held_group(group_record* group) noexcept : group_(group) { core::share_group(group); }
  ~held_group() { core::unshare_group(group_); }
  held_group(const held_group&) = delete;
  held_group& operator=(const held_group&) = delete;

 private:
  group_record* const group_;
};

}  // namespace

group_record* core::make_group(group_record* parent, const group_options& options) {
  auto* group =
      new group_record(this, nullptr, parent, options.order == group_order::serial, std::string(options.name));
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
    group->tree->groups.fetch_add(1, memory_order_relaxed);  // N1
    share_group(parent);
  }
  if (parent != nullptr && !is_gone()) {
    lock_guard guard(group->tree->lock);
    shares_tree_lock(parent);
    group->closed = parent->closed;
    group->next_sibling = parent->first_child;
    parent->first_child = group;
  }
  share();
  return group;
}

void core::unshare_group(group_record* group) noexcept {
  if (group->shares.fetch_sub(1, memory_order_acq_rel) != 1) return;  // N2
  core* owner = group->owner;
  group_tree* tree = group->tree;
  group_record* parent = group->parent;
  if (parent != nullptr) {
    lock_guard guard(tree->lock);
    shares_tree_lock(parent);
    shares_tree_lock(group);
    group_record** at = &parent->first_child;
    while (*at != group) {
      shares_tree_lock(*at);
      at = &(*at)->next_sibling;
    }
    *at = group->next_sibling;
  }
  group->lock_order.forget();
  delete group;
  // N2: relaxed, for the root is the last one, after every share that the others held of it.
  if (tree->groups.fetch_sub(1, memory_order_relaxed) == 1) delete tree;
  if (parent != nullptr) unshare_group(parent);
  owner->unshare();
}

// Requires: the tree's lock. As for a single id: a member that only its id names ends when nothing is pending. Closes
// one such member and answers it; no_index when there is none.
std::uint32_t core::close_one_spent(group_record* group) noexcept {
  std::uint32_t ours = no_index;
  auto visit = [&](std::uint32_t i) {
    if (ours != no_index || registry_.cold(i).held_by == tenure::handle) return;
    const std::uint64_t s = registry_.hot(i).state.load(memory_order_acquire);  // T13 <- T2.
    if (state::is_terminal(s) || state::is_pending(s) || state::is_calling(s)) return;
    if (close_word(i, state::closed | state::orphan_bit).ours_to_end) ours = i;
  };
  for_each_member(this, group, visit);
  return ours;
}

std::size_t core::cancel_group(group_record* group) noexcept {
  core* owner = group->owner;
  if (owner->is_gone()) return 0;
  const held_group held(group);
  std::size_t withdrawn = 0;
  {
    lock_guard guard(group->tree->lock);
    auto visit = [&](std::uint32_t i) {
      if (withdrew(owner->cancel_word(i, false, false))) ++withdrawn;
    };
    for_each_member(owner, group, visit);
  }
  for (;;) {
    std::uint32_t spent = no_index;
    {
      lock_guard guard(group->tree->lock);
      spent = owner->close_one_spent(group);
    }
    if (spent == no_index) return withdrawn;
    owner->end_here(spent);
  }
}

// Requires: the tree's lock, `closed` set. Closes members until one is this thread's to end, and answers it; no_index
// when all are closed. One at a time: a capture may own another member's handle, whose destructor would wait for ever
// if this thread held that member too.
std::uint32_t core::close_members(group_record* group, std::size_t* withdrawn) noexcept {
  while (group->first_member != no_index) {
    const std::uint32_t i = group->first_member;
    const bool owned = registry_.cold(i).held_by == tenure::handle;
    leave_list(i, group);
    enter_list(i, &group->first_closed);
    const ending found = close_word(i, state::closed | (owned ? 0 : state::orphan_bit));
    if (withdrew(found.outcome)) ++*withdrawn;
    if (found.ours_to_end) return i;
  }
  for (group_record* child = group->first_child; child != nullptr; child = child->next_sibling) {
    shares_tree_lock(child);
    const std::uint32_t i = close_members(child, withdrawn);
    if (i != no_index) return i;
  }
  return no_index;
}

std::size_t core::close_group(group_record* group) noexcept {
  if (group->owner->is_gone()) return 0;
  const held_group held(group);
  return close_shared_group(group);
}

// The same where the caller's share outlives it.
std::size_t core::close_shared_group(group_record* group) noexcept {
  core* owner = group->owner;
  std::size_t withdrawn = 0;
  for (;;) {
    std::uint32_t to_end = no_index;
    {
      lock_guard guard(group->tree->lock);
      mark_closed(group);
      to_end = owner->close_members(group, &withdrawn);
    }
    if (to_end == no_index) return withdrawn;
    owner->end_here(to_end);
  }
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
  if (group->owner->is_gone()) return 0;
  lock_guard guard(group->tree->lock);
  return count_members(group);
}

// Requires: the tree's lock. The member with the smallest index from `from` on that is in a call no frame of this
// thread makes; no_index when there is none.
std::uint32_t core::next_calling_member(group_record* group, std::uint32_t from) noexcept {
  std::uint32_t least = no_index;
  auto visit = [&](std::uint32_t i) {
    if (i < from || i >= least || makes_call(i, true)) return;
    if (state::is_calling(registry_.hot(i).state.load(memory_order_acquire))) least = i;  // T13 <- T5.
  };
  for_each_member(this, group, visit);
  return least;
}

void core::destroy_group(group_record* group) noexcept {
  if (group->owner->is_gone()) return;  // A fork child: the locks' holders may not exist; the record is left behind.
  order_wait_for(group, ns_max, "the destructor of the group");
  static_cast<void>(close_shared_group(group));
  static_cast<void>(wait_group(group, ns_max, false));
  unshare_group(group);
}

}  // namespace detent::inline v0::detail
