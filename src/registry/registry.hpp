// registry: lines at fixed addresses, named by index and generation, reused last-in-first-out.
//
// Chunk k holds 64 << k lines, so 26 chunks cover every index, a small service costs pages, and a line is found with a
// shift and one load. `Parts` names what an index owns: types whose zero bytes are a valid value before construction.
// Parts are constructed when an index is handed out for the first time, and live until the registry ends; but `Rare` is
// not, and takes no memory until somebody uses it.
//
// Free lists are kept by kind: an index given back as one kind is reused only as that kind (a kind is a clock).
//
// Threads: `hot`, `cold`, `link`, `rare` any, without a lock, for an index that was handed out. The generation is
// guarded by `lock_of(index)`, and changes when an index is given back; 0 is never used, and an index whose generation
// saturates is retired.
//
//  G1 reach     anyone         load of the count handed out, or of a chunk         acquire   G2
//  G2 hand out  creator, under the free lock: chunk, then count                    release   G1
//  G3 is past   waiter         load of a generation, as a hint                     acquire   G4
//  G4 retire    the end, under the record's lock: the generation moves on          release   G3
#pragma once

#include "base/base.hpp"
#include "platform/platform.hpp"
#include "sync/sync.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

namespace detent::inline v0::detail {

// What the registry itself keeps for an index; `Cold` begins with it, so that making and ending touch one line less.
struct registry_slot {
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  sync_atomic<std::uint32_t> generation{1};
  std::uint32_t next_free = none;  // guarded by the registry's free_lock_
};

template <class Hot, class Cold, class Link, class Rare>
class registry {
 public:
  static constexpr std::uint32_t none = registry_slot::none;
  static constexpr std::size_t first_bit = 6;
  static constexpr std::uint32_t first_chunk = 1 << first_bit;
  static constexpr std::size_t chunk_limit = 25;
  static constexpr std::size_t lock_count = 16;
  static constexpr std::size_t kinds = 3;
#if defined(DETENT_GENERATION_MAX)
  static constexpr std::uint32_t generation_max = DETENT_GENERATION_MAX;
#else
  static constexpr std::uint32_t generation_max = ~std::uint32_t{0};
#endif

  explicit registry(access who = access::shared) noexcept : access_(who) {}
  registry(const registry&) = delete;
  registry& operator=(const registry&) = delete;

  ~registry() {
    for (std::size_t k = 0; k < chunk_limit; ++k) {
      const chunk& c = chunks_[k];
      Hot* const hot = hot_[k].load(memory_order_relaxed);  // Alone: the last share is gone.
      if (hot == nullptr) continue;
      platform::free_pages(hot, sizeof(Hot) * lines_in(k));
      platform::free_pages(c.cold, sizeof(Cold) * lines_in(k));
      platform::free_pages(c.link, sizeof(Link) * lines_in(k));
      platform::free_pages(c.rare, sizeof(Rare) * lines_in(k));
    }
  }

  Hot& hot(std::uint32_t index) const noexcept {
    const place p = place_of(index);
    return hot_[p.chunk].load(memory_order_relaxed)[p.offset];  // By whatever told the caller of the index.
  }
  Cold& cold(std::uint32_t index) const noexcept {
    const place p = place_of(index);
    return chunks_[p.chunk].cold[p.offset];
  }
  Link& link(std::uint32_t index) const noexcept {
    const place p = place_of(index);
    return chunks_[p.chunk].link[p.offset];
  }
  Rare& rare(std::uint32_t index) const noexcept {
    const place p = place_of(index);
    return chunks_[p.chunk].rare[p.offset];
  }

  mutex& lock_of(std::uint32_t index) const noexcept { return locks_[index / 16 % lock_count].m; }

  // For code that runs under `lock_of(index)`, taken under another name.
  void is_locked(std::uint32_t index) const noexcept DETENT_ASSERT_HELD(lock_of(index)) { static_cast<void>(index); }

  // Guarded by lock_of(index).
  std::uint32_t generation(std::uint32_t index) const noexcept {
    return cold(index).generation.load(memory_order_relaxed);  // The lock orders it.
  }

  // Without the lock: a hint that a generation has passed, for waiters who look again anyway.
  bool has_passed(std::uint32_t index, std::uint32_t generation) const noexcept {
    return cold(index).generation.load(memory_order_acquire) != generation;  // G3 <- G4.
  }

  // Whether an index may exist: ids come from users.
  bool exists(std::uint32_t index) const noexcept {
    return index < handed_out_.load(memory_order_acquire);  // G1 <- G2.
  }
  std::uint32_t handed_out() const noexcept { return handed_out_.load(memory_order_acquire); }  // G1 <- G2.

  // Takes the index of this kind given back last, or a fresh one. `none` when the OS has no memory or every index is in
  // use.
  std::uint32_t acquire(std::size_t kind) noexcept DETENT_EXCLUDES(free_lock_) {
    access_guard guard(free_lock_, access_);
    if (free_[kind] != none) {
      const std::uint32_t index = free_[kind];
      free_[kind] = cold(index).next_free;
      ++in_use_;
      return index;
    }
    const std::uint32_t index = handed_out_.load(memory_order_relaxed);  // Written under this lock only.
    const place p = place_of(index);
    if (p.chunk >= chunk_limit || (p.offset == 0 && !add_chunk(p.chunk))) return none;
    chunk& c = chunks_[p.chunk];
    ::new (&hot_[p.chunk].load(memory_order_relaxed)[p.offset]) Hot();
    ::new (&c.cold[p.offset]) Cold();
    ::new (&c.link[p.offset]) Link();
    if constexpr (explored) ::new (&c.rare[p.offset]) Rare();  // An explorer has to be told of its words.
    handed_out_.store(index + 1, memory_order_release);        // G2 -> G1.
    ++in_use_;
    return index;
  }

  // Ends this generation of an index. From then on no verb by id reaches it.
  void retire(std::uint32_t index) noexcept DETENT_REQUIRES(lock_of(index)) {
    registry_slot& s = cold(index);
    const std::uint32_t generation = s.generation.load(memory_order_relaxed);
    const std::uint32_t next = busted(bug::generation_wrap) ? generation % 2 + 1 : generation + 1;
    if (generation != generation_max) s.generation.store(next, memory_order_release);  // G4 -> G3.
    else s.generation.store(0, memory_order_release);                                  // G4 -> G3.
  }

  void give_back(std::uint32_t index, std::size_t kind) noexcept DETENT_EXCLUDES(free_lock_) {
    access_guard guard(free_lock_, access_);
    --in_use_;
    registry_slot& s = cold(index);
    if (s.generation.load(memory_order_relaxed) == 0) return;  // Saturated: never used again.
    s.next_free = free_[kind];
    free_[kind] = index;
  }

  std::uint32_t in_use() const noexcept DETENT_EXCLUDES(free_lock_) {
    lock_guard guard(free_lock_);
    return in_use_;
  }

 private:
  struct chunk {
    Cold* cold = nullptr;
    Link* link = nullptr;
    Rare* rare = nullptr;
  };

  struct place {
    std::size_t chunk;
    std::size_t offset;
  };

  struct alignas(64) padded_lock {
    mutex m;
  };

  static constexpr std::size_t lines_in(std::size_t k) noexcept { return std::size_t{first_chunk} << k; }

  // In the path of every verb: the highest bit names the chunk, the others the line in it. `moved` is never zero, which
  // a function of the standard library would ask first.
  static place place_of(std::uint32_t index) noexcept {
    const std::uint64_t moved = std::uint64_t{index} + first_chunk;
    const std::size_t highest = static_cast<unsigned>(__builtin_clzll(moved)) ^ 63U;
    return {highest - first_bit, moved ^ (std::uint64_t{1} << highest)};
  }

  bool add_chunk(std::size_t k) noexcept {
    const std::size_t lines = lines_in(k);
    void* hot = platform::allocate_pages(sizeof(Hot) * lines);
    void* cold = platform::allocate_pages(sizeof(Cold) * lines);
    void* link = platform::allocate_pages(sizeof(Link) * lines);
    void* rare = platform::allocate_pages(sizeof(Rare) * lines, platform::paging::sparse);
    if (hot == nullptr || cold == nullptr || link == nullptr || rare == nullptr) {
      if (hot != nullptr) platform::free_pages(hot, sizeof(Hot) * lines);
      if (cold != nullptr) platform::free_pages(cold, sizeof(Cold) * lines);
      if (link != nullptr) platform::free_pages(link, sizeof(Link) * lines);
      if (rare != nullptr) platform::free_pages(rare, sizeof(Rare) * lines);
      return false;
    }
    chunk& c = chunks_[k];
    c.cold = static_cast<Cold*>(cold);
    c.link = static_cast<Link*>(link);
    c.rare = static_cast<Rare*>(rare);
    hot_[k].store(static_cast<Hot*>(hot), memory_order_relaxed);  // Before G2, which publishes it.
    return true;
  }

  // Apart from the rest: what every verb reads is three lines.
  std::array<sync_atomic<Hot*>, chunk_limit> hot_{};
  const access access_;
  std::array<chunk, chunk_limit> chunks_{};  // a chunk is immutable once its `hot_` is set
  sync_atomic<std::uint32_t> handed_out_{0};
  mutable std::array<padded_lock, lock_count> locks_{};
  mutable mutex free_lock_;
  std::array<std::uint32_t, kinds> free_ DETENT_GUARDED_BY(free_lock_) = {none, none, none};
  std::uint32_t in_use_ DETENT_GUARDED_BY(free_lock_) = 0;
};

}  // namespace detent::inline v0::detail
