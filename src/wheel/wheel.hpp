// wheel: finds the earliest deadlines of very many, and forgets nothing.
//
// A radix wheel: eleven levels of 64 slots over 61-bit keys. A token stands at the level of the highest 6-bit digit in
// which its key differs from `current_`, in the slot of that digit. So the first slot of the lowest level in use holds
// the earliest key, level 0 slots hold exactly one key each, and no deadline is too far. Time only opens slots: opening
// one moves its tokens down to where they differ from the earliest of them, at most once per level.
//
// A slot keeps its tokens in four chains, by index: whoever opens one follows all four at once, so that their cache
// misses overlap (docs/decisions/0061). Tokens of one slot have no order. A token that is alone in its slot is taken
// from there, whatever the level.
//
// Every slot keeps a lower bound of its keys, so the driver sleeps to the exact next deadline without opening anything.
//
// One token per index, linked through `Links`: filing again moves it. So there are no stale tokens, nothing is
// allocated, and memory is bounded by the number of records, whatever an adversary arms.
//
// Threads: none; one owner. Knows no clock: `now` is a parameter. Invariants:
//   I1  current_ <= every key, but for keys that were filed late: these stand in the slot of current_.
//   I2  a slot's bit is set if and only if one of its chains is not empty; its `earliest` is <= every key in it.
//   I3  a token's level and slot follow from its key and current_ alone.
#pragma once

#include "base/base.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace detent::inline v0::detail {

inline constexpr std::uint32_t no_index = ~std::uint32_t{0};

struct wheel_link {
  std::uint64_t key = 0;  // 0: not in a wheel
  std::uint32_t prev = 0;
  std::uint32_t next = 0;
};

// `Links` is called with an index and answers a reference to its wheel_link. `soon(index)` says that this token comes
// up within microseconds: what its owner will touch then may be fetched.
template <class Links>
class wheel {
 public:
  using key_type = std::uint64_t;
  static constexpr key_type nothing = ~key_type{0};
  static constexpr key_type key_max = (key_type{1} << 61) - 1;

  explicit wheel(Links links) noexcept : links_(links) {}

  bool is_filed(std::uint32_t index) noexcept { return links_(index).key != 0; }

  // Requires: not filed, 0 < key <= key_max. A key before current_ is late: it is due at the next look.
  void file(std::uint32_t index, key_type key) noexcept {
    DETENT_DEBUG_CHECK(key > 0 && key <= key_max, "a wheel key is out of range");
    DETENT_DEBUG_CHECK(!is_filed(index), "a token is filed twice");
    links_(index).key = key;
    append(index);
    ++count_;
  }

  // Requires: filed.
  void remove(std::uint32_t index) noexcept {
    wheel_link& link = links_(index);
    const position at = position_of(link.key);
    slot& in = slots_[at.level][at.slot];
    chain_ends& from = in.chains[index % chain_count];
    (link.prev == no_index ? from.first : links_(link.prev).next) = link.next;
    (link.next == no_index ? from.last : links_(link.next).prev) = link.prev;
    if (from.first == no_index && in.is_empty()) occupied_[at.level] &= ~(std::uint64_t{1} << at.slot);
    link.key = 0;
    --count_;
  }

  // No token is due before this; exact unless tokens were removed. `nothing` when empty.
  key_type next() const noexcept {
    const position at = first();
    return at.level == levels ? nothing : slots_[at.level][at.slot].earliest;
  }

  // Takes out the tokens of the earliest key that is due by `now`: the first of a chain through `next`, or no_index.
  // Late tokens of different keys may share one chain. Ask again until it answers no_index.
  std::uint32_t take_due(key_type now) noexcept {
    for (;;) {
      const position at = first();
      if (at.level == levels) {
        if (now > current_) current_ = now < key_max ? now : key_max;
        return no_index;
      }
      slot& due = slots_[at.level][at.slot];
      if (due.earliest > now) {
        approach(now, at);
        return no_index;
      }
      if (const std::uint32_t alone = at.level == 0 ? no_index : due.only_token(); alone != no_index) {
        const key_type key = links_(alone).key;
        due.earliest = key;  // It may have been that of a token since removed.
        if (key > now) continue;
        occupied_[at.level] &= ~(std::uint64_t{1} << at.slot);
        current_ = key;  // No other token is earlier, and none stands in this slot.
        release(alone);
        return alone;
      }
      occupied_[at.level] &= ~(std::uint64_t{1} << at.slot);
      if (at.level == 0) {
        current_ = (current_ & ~key_type{63}) | at.slot;
        const std::uint32_t chain = joined(due, no_index);
        release(chain);
        return chain;
      }
      open(due);
    }
  }

  // Everything before this key has been taken out, and what `take_due` answered last stood at it or before.
  key_type reached() const noexcept { return current_; }

  // The clock was set back: what was late or near may be far again. Files everything anew, seen from `now`.
  void rebase(key_type now) noexcept {
    std::uint32_t all = no_index;
    for (std::size_t level = 0; level < levels; ++level) {
      for (; occupied_[level] != 0; occupied_[level] &= occupied_[level] - 1) {
        all = joined(slots_[level][static_cast<std::size_t>(std::countr_zero(occupied_[level]))], all);
      }
    }
    current_ = now;
    while (all != no_index) {
      const std::uint32_t next = links_(all).next;
      append(all);
      all = next;
    }
  }

  std::size_t size() const noexcept { return count_; }

  // Walks everything and checks I1 to I3: unit tests and fuzzers.
  bool is_sound() noexcept {
    std::size_t seen = 0;
    for (std::size_t level = 0; level < levels; ++level) {
      for (std::size_t s = 0; s < 64; ++s) {
        if ((occupied_[level] >> s & 1) == 0) continue;
        const slot& in = slots_[level][s];
        if (in.is_empty()) return false;
        for (std::size_t c = 0; c < chain_count; ++c) {
          for (std::uint32_t i = in.chains[c].first; i != no_index; i = links_(i).next) {
            const wheel_link& link = links_(i);
            const position at = position_of(link.key);
            if (at.level != level || at.slot != s || i % chain_count != c || in.earliest > link.key) return false;
            if (link.next == no_index && in.chains[c].last != i) return false;
            ++seen;
          }
        }
      }
    }
    return seen == count_;
  }

  // Sorts a chain that `take_due` answered; stable. Merges the runs that stand in it in order already, from the bottom
  // up: no recursion, no memory, and a herd that was armed in order costs two merges.
  template <class Less>
  std::uint32_t sort(std::uint32_t chain, Less less) noexcept {
    std::array<std::uint32_t, 33> runs;
    runs.fill(no_index);
    while (chain != no_index) {
      std::uint32_t run = chain;
      chain = cut_run(run, less);
      std::size_t count_log2 = 0;
      for (; runs[count_log2] != no_index; ++count_log2) {
        run = merge(runs[count_log2], run, less);
        runs[count_log2] = no_index;
      }
      runs[count_log2] = run;
    }
    std::uint32_t all = no_index;
    for (const std::uint32_t run : runs) all = all == no_index ? run : (run == no_index ? all : merge(run, all, less));
    return all;
  }

 private:
  static constexpr std::size_t levels = 11;

  static constexpr std::uint32_t chain_count = 4;

  struct chain_ends {
    std::uint32_t first;
    std::uint32_t last;
  };

  struct slot {
    std::array<chain_ends, chain_count> chains;
    key_type earliest;
    bool is_empty() const noexcept {
      for (const chain_ends& c : chains) {
        if (c.first != no_index) return false;
      }
      return true;
    }
    // The token, when there is one and no other.
    std::uint32_t only_token() const noexcept {
      std::uint32_t found = no_index;
      for (const chain_ends& c : chains) {
        if (c.first == no_index) continue;
        if (found != no_index || c.first != c.last) return no_index;
        found = c.first;
      }
      return found;
    }
  };

  static slot empty_slot() noexcept {
    slot fresh;
    fresh.chains.fill({no_index, no_index});
    fresh.earliest = nothing;
    return fresh;
  }

  struct position {
    std::size_t level;
    std::size_t slot;
  };

  position position_of(key_type key) const noexcept {
    const key_type at = key < current_ ? current_ : key;
    const key_type difference = at ^ current_;
    const std::size_t level = difference == 0 ? 0 : static_cast<std::size_t>(std::bit_width(difference) - 1) / 6;
    return {level, static_cast<std::size_t>(at >> (6 * level)) & 63};
  }

  position first() const noexcept {
    for (std::size_t level = 0; level < levels; ++level) {
      if (occupied_[level] != 0) return {level, static_cast<std::size_t>(std::countr_zero(occupied_[level]))};
    }
    return {levels, 0};
  }

  void append(std::uint32_t index) noexcept {
    wheel_link& link = links_(index);
    const position at = position_of(link.key);
    slot& to = slots_[at.level][at.slot];
    const std::uint64_t bit = std::uint64_t{1} << at.slot;
    if ((occupied_[at.level] & bit) == 0) {
      occupied_[at.level] |= bit;
      to = empty_slot();
    }
    chain_ends& chain = to.chains[index % chain_count];
    link.next = no_index;
    link.prev = chain.last;
    (chain.last == no_index ? chain.first : links_(chain.last).next) = index;
    chain.last = index;
    if (link.key < to.earliest) to.earliest = link.key;
    if (at.level <= 1) {
      if constexpr (requires { links_.soon(index); }) links_.soon(index);
    }
  }

  // The chains of a slot as one, followed by `behind`.
  std::uint32_t joined(const slot& from, std::uint32_t behind) noexcept {
    for (const chain_ends& c : from.chains) {
      if (c.first == no_index) continue;
      links_(c.last).next = behind;
      behind = c.first;
    }
    return behind;
  }

  // Moves the tokens of a slot that time has reached down to lower levels. `current_` goes to the slot's bound: it is a
  // key of this slot, so each token differs from it in a lower digit only.
  void open(slot& from) noexcept {
    if (from.earliest > current_) current_ = from.earliest;
    std::array<std::uint32_t, chain_count> at{};
    for (std::size_t c = 0; c < chain_count; ++c) at[c] = from.chains[c].first;
    for (bool more = true; more;) {
      more = false;
      for (std::uint32_t& i : at) {
        if (i == no_index) continue;
        const std::uint32_t next = links_(i).next;
        if (next != no_index) __builtin_prefetch(&links_(next), 1);
        append(i);
        i = next;
        more = true;
      }
    }
  }

  // Nothing is due: `current_` may follow `now` up to the first slot in use, whose tokens then still stand where I3
  // says. Later filings are the nearer to their place.
  void approach(key_type now, position first_used) noexcept {
    const key_type digit = key_type{1} << (6 * first_used.level);
    const key_type above = current_ & ~(digit * 64 - 1);
    const key_type start = above | (digit * first_used.slot);
    const key_type target = now < start ? now : start - 1;
    if (start > 0 && target > current_) current_ = target;
  }

  void release(std::uint32_t chain) noexcept {
    for (std::uint32_t i = chain; i != no_index; i = links_(i).next) {
      links_(i).key = 0;
      --count_;
    }
  }

  // Ends the run that begins here and answers what came behind it.
  template <class Less>
  std::uint32_t cut_run(std::uint32_t first, Less& less) noexcept {
    std::uint32_t last = first;
    for (;;) {
      const std::uint32_t next = links_(last).next;
      if (next == no_index) return no_index;
      if (less(next, last)) {
        links_(last).next = no_index;
        return next;
      }
      last = next;
    }
  }

  // Every element of `a` came before every element of `b`.
  template <class Less>
  std::uint32_t merge(std::uint32_t a, std::uint32_t b, Less& less) noexcept {
    std::uint32_t merged = no_index;
    std::uint32_t* tail = &merged;
    while (a != no_index && b != no_index) {
      std::uint32_t& from = less(b, a) ? b : a;
      *tail = from;
      tail = &links_(from).next;
      from = *tail;
    }
    *tail = a == no_index ? b : a;
    return merged;
  }

  Links links_;
  key_type current_ = 0;
  std::size_t count_ = 0;
  std::array<std::uint64_t, levels> occupied_{};
  std::array<std::array<slot, 64>, levels> slots_;  // Made empty by the first token: never read while their bit is 0.
};

}  // namespace detent::inline v0::detail
