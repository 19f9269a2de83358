// One timer of the storm as its users see it: what it was told to do, what it answered, and what may not happen to it.
//
// Items stay until their round is over, so that a thread which comes too late still finds the account of the timer it
// names. All counters are relaxed: the storm must not order what the library has to order.
#pragma once

#include <detent/detent.hpp>

#include <array>
#include <atomic>
#include <cstdint>

namespace detent::cli {

class storm_field;

/// The first sentences are kept, with the seed; the storm then comes to its end.
void violate(const char* sentence, std::uint64_t key, const char* by = nullptr) noexcept;
bool is_violated() noexcept;

/// Small, fast, and the same everywhere.
class dice {
 public:
  explicit dice(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t roll() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::uint64_t limit) noexcept { return static_cast<std::uint32_t>(roll() % limit); }
  bool chance(std::uint32_t percent) noexcept { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

/// How a timer is used; decides how its firings enter the account.
enum class item_use : std::uint8_t {
  shot,    ///< one-shots only
  series,  ///< series only
  mixed,   ///< both; bit 3 of a deadline tells which it was
};

struct storm_group {
  std::atomic<std::uint32_t> calls{0};               // in progress, serial groups
  std::atomic<struct storm_item*> members{nullptr};  // all that were ever created in it
  bool serial = false;
};

struct storm_item {
  // Set before the timer exists.
  storm_field* field = nullptr;
  std::uint64_t key = 0;
  std::uint64_t hash = 0;
  timer_service* service = nullptr;
  storm_group* group = nullptr;
  storm_item* next_member = nullptr;
  item_use use = item_use::shot;
  clock_kind clock = clock_kind::steady;
  bool exact_deadlines = true;  // no tolerance
  bool id_only = false;

  std::atomic<std::uint64_t> id{0};  // index and generation, once the creator knows it
  std::atomic<bool> created{false};

  // The account.
  std::atomic<std::uint32_t> armings{0};
  std::atomic<std::uint32_t> fired{0};
  std::atomic<std::uint32_t> replaced{0};
  std::atomic<std::uint32_t> cancelled{0};
  std::atomic<std::uint32_t> closed{0};
  std::atomic<std::uint32_t> unseen{0};  // verbs that may have ended a firing without telling

  // What may not happen.
  std::atomic<std::uint32_t> calls{0};
  std::atomic<std::uint32_t> in_call{0};
  std::atomic<std::uint32_t> in_verbs{0};
  std::atomic<std::uint32_t> destroyed{0};
  std::atomic<bool> sealed{false};          // somebody was promised that no call will come
  std::atomic<bool> detached{false};        // some call detached itself
  std::atomic<bool> close_answered{false};  // a close told that it was the one that closed
  std::atomic<bool> known_closed{false};    // some verb was answered `closed`, or closed it
  std::atomic<std::uint32_t> slot{0};       // where its handle was put last
  std::uint64_t plain_calls = 0;            // not atomic: the library's promise orders it (G07, G11)

  // Arming number n returned at notes[n % 16]: its deadline's tag above, the time below.
  std::atomic<std::uint32_t> next_arming{0};
  std::array<std::atomic<std::uint64_t>, 16> notes{};
  // The last verb that voids earlier armings: when it began (above) and when it had returned (below).
  std::atomic<std::uint64_t> voided{0};

  timer_id timer() const noexcept;
  /// What its own counters say is still pending: 0 or 1 at quiet moments.
  std::int64_t left() const noexcept;
  void note_arming(std::int64_t deadline_ns, std::uint32_t returned) noexcept;
  void note_voided(std::uint32_t began, std::uint32_t returned) noexcept;
  /// A waiting verb has promised that no call is in progress and none will come.
  void seal(const char* by) noexcept;
};

inline constexpr std::int64_t shot_mark = 8;

/// Canary: the callable of a timer. Two sizes, so that both kinds of storage are used.
class cargo_core {
 public:
  explicit cargo_core(storm_item& item) noexcept : item_(&item), key_(item.key), hash_(item.hash) {}
  cargo_core(cargo_core&& other) noexcept : item_(other.item_), key_(other.key_), hash_(other.hash_) {
    other.item_ = nullptr;
  }
  cargo_core(const cargo_core&) = delete;
  ~cargo_core();
  void operator()(firing& current);

 private:
  storm_item* item_;
  std::uint64_t key_;
  std::uint64_t hash_;
};

class cargo_heavy : public cargo_core {
 public:
  using cargo_core::cargo_core;

 private:
  [[maybe_unused]] std::array<std::uint64_t, 6> ballast_{};
};

static_assert(detail::fits_inline<cargo_core> && !detail::fits_inline<cargo_heavy>);

std::uint64_t hash_of(std::uint64_t key) noexcept;

}  // namespace detent::cli
