// groups: the engine's part of a timer_group. It outlives the object: members and children hold shares of it.
#pragma once

#include "base/base.hpp"
#include "sync/sync.hpp"
#include "wheel/wheel.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

namespace detent::inline v0::detail {

class core;

// What a whole tree of groups shares: one lock, so that closing a parent and creating in a child are one order.
struct group_tree {
  mutex lock;
  sync_atomic<std::uint32_t> groups{1};  // N1 add: relaxed, a share is held. N2 drop: acq_rel <- N2.
};

struct group_record {
  group_record(core* owner_core, group_tree* the_tree, group_record* parent_group, bool is_serial, std::string its_name)
      : owner(owner_core), tree(the_tree), parent(parent_group), serial(is_serial), name(std::move(its_name)) {}

  core* const owner;           // counted
  group_tree* tree;            // counted; immutable once the group is made
  group_record* const parent;  // counted, or null
  const bool serial;
  const std::string name;

  sync_atomic<std::uint32_t> shares{1};  // N1, N2 as above

  bool closed DETENT_GUARDED_BY(tree->lock) = false;
  std::uint32_t first_member DETENT_GUARDED_BY(tree->lock) = no_index;
  std::uint32_t first_closed DETENT_GUARDED_BY(tree->lock) = no_index;  // members that `close` has dealt with
  std::uint32_t member_count DETENT_GUARDED_BY(tree->lock) = 0;
  group_record* first_child DETENT_GUARDED_BY(tree->lock) = nullptr;  // not counted: children leave before they die
  group_record* next_sibling DETENT_GUARDED_BY(tree->lock) = nullptr;

  // Serial groups: whose turn it is. The queue goes through the records' links.
  mutex turn_lock;
  bool busy DETENT_GUARDED_BY(turn_lock) = false;
  std::uint32_t turn_first DETENT_GUARDED_BY(turn_lock) = no_index;
  std::uint32_t turn_last DETENT_GUARDED_BY(turn_lock) = no_index;

  [[no_unique_address]] order_point lock_order;  // as of a record, for all its members

  // Whether `inner` is this group or below it. Parents never change.
  bool holds(const group_record* inner) const noexcept {
    for (; inner != nullptr; inner = inner->parent) {
      if (inner == this) return true;
    }
    return false;
  }
};

// Parent and child share their tree's lock; the compiler has to be told.
inline void shares_tree_lock(const group_record* group) noexcept DETENT_ASSERT_HELD(group->tree->lock) {
  static_cast<void>(group);
}

}  // namespace detent::inline v0::detail
