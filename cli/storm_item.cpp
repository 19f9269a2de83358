#include "storm_item.hpp"

#include "storm_field.hpp"

#include <cstdio>

namespace detent::cli {

namespace {

constexpr std::uint64_t poison = 0xdeadbeefdeadbeefU;

constexpr std::uint32_t tag_of(std::int64_t deadline_ns) noexcept {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(deadline_ns) >> 4);
}

constexpr std::size_t place_of(std::int64_t deadline_ns) noexcept {
  return static_cast<std::size_t>(deadline_ns >> 4) & 15;
}

std::int64_t read_ns(clock_kind clock) noexcept {
  switch (clock) {
    case clock_kind::steady: return steady_clock::now().time_since_epoch().count();
    case clock_kind::boottime: return boottime_clock::now().time_since_epoch().count();
    case clock_kind::system: break;
  }
  return std::chrono::duration_cast<duration>(system_clock::now().time_since_epoch()).count();
}

std::int64_t deadline_of(const firing& current, clock_kind clock) noexcept {
  switch (clock) {
    case clock_kind::steady: return current.deadline<steady_clock>().time_since_epoch().count();
    case clock_kind::boottime: return current.deadline<boottime_clock>().time_since_epoch().count();
    case clock_kind::system: break;
  }
  return std::chrono::duration_cast<duration>(current.deadline<system_clock>().time_since_epoch()).count();
}

// G06: an arming that had returned before a voiding verb began may not start after that verb has returned.
void check_not_voided(const storm_item& item, std::int64_t deadline_ns, std::int64_t start_ns) noexcept {
  if (item.clock == clock_kind::system) return;  // Its readings are no order of events when somebody sets it.
  const std::uint64_t note = item.notes[place_of(deadline_ns)].load(std::memory_order_relaxed);
  const std::uint64_t voided = item.voided.load(std::memory_order_relaxed);
  if (note == 0 || voided == 0 || (note >> 32) != tag_of(deadline_ns)) return;
  const auto armed = static_cast<std::uint32_t>(note);
  const auto void_began = static_cast<std::uint32_t>(voided >> 32);
  const auto void_returned = static_cast<std::uint32_t>(voided);
  if (armed < void_began && item.field->ticks_down(item.clock, start_ns) > void_returned) {
    violate("a firing started although its arming had been withdrawn before (G06)", item.key);
  }
}

// What has to hold when a call begins.
void enter_call(storm_item& item, const firing& current) noexcept {
  if (item.in_call.fetch_add(1, std::memory_order_relaxed) != 0)
    violate("two calls of one timer overlap (G07)", item.key);
  if (item.destroyed.load(std::memory_order_relaxed) != 0)
    violate("a call came after the callable was destroyed", item.key);
  if (item.sealed.load(std::memory_order_relaxed))
    violate("a call came after a close had answered quiet (G03)", item.key);
  if (item.group != nullptr && item.group->serial && item.group->calls.fetch_add(1, std::memory_order_relaxed) != 0) {
    violate("two calls of one serial group overlap", item.key);
  }
  const std::int64_t now_ns = read_ns(item.clock);
  const std::int64_t deadline_ns = deadline_of(current, item.clock);
  if (current.lateness().count() < 0) violate("a firing's lateness is negative (G01)", item.key);
  if (item.clock != clock_kind::system && now_ns < deadline_ns) violate("a firing was early (G01)", item.key);
  const bool is_shot = item.use == item_use::shot || (item.use == item_use::mixed && (deadline_ns & shot_mark) != 0);
  if (is_shot) item.fired.fetch_add(1, std::memory_order_relaxed);
  if (is_shot && item.exact_deadlines) check_not_voided(item, deadline_ns, deadline_ns + current.lateness().count());
  item.calls.fetch_add(1, std::memory_order_relaxed);
  ++item.plain_calls;
}

void leave_call(storm_item& item) noexcept {
  if (item.group != nullptr && item.group->serial) item.group->calls.fetch_sub(1, std::memory_order_relaxed);
  if (item.sealed.load(std::memory_order_relaxed) && !item.detached.load(std::memory_order_relaxed)) {
    violate("a close answered quiet while a call was in progress (G03)", item.key);
  }
  if (item.in_call.fetch_sub(1, std::memory_order_relaxed) != 1)
    violate("calls of one timer overlapped (G07)", item.key);
}

struct call_guard {
  storm_item& item;
  ~call_guard() { leave_call(item); }
};

}  // namespace

std::uint64_t hash_of(std::uint64_t key) noexcept { return dice(key ^ 0x5bd1e995U).roll(); }

timer_id storm_item::timer() const noexcept {
  const std::uint64_t value = id.load(std::memory_order_relaxed);
  return {static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)};
}

std::int64_t storm_item::left() const noexcept {
  const auto read = [](const std::atomic<std::uint32_t>& n) -> std::int64_t {
    return n.load(std::memory_order_relaxed);
  };
  return read(armings) - read(fired) - read(replaced) - read(cancelled) - read(closed);
}

void storm_item::note_arming(std::int64_t deadline_ns, std::uint32_t returned) noexcept {
  notes[place_of(deadline_ns)].store(std::uint64_t{tag_of(deadline_ns)} << 32 | returned, std::memory_order_relaxed);
}

void storm_item::note_voided(std::uint32_t began, std::uint32_t returned) noexcept {
  const std::uint64_t mine = std::uint64_t{began} << 32 | returned;
  std::uint64_t known = voided.load(std::memory_order_relaxed);
  while (known < mine && !voided.compare_exchange_weak(known, mine, std::memory_order_relaxed)) {
  }
}

void storm_item::seal(const char* by) noexcept {
  sealed.store(true, std::memory_order_relaxed);
  if (detached.load(std::memory_order_relaxed)) return;  // That call may go on, and the callable with it.
  if (in_call.load(std::memory_order_relaxed) != 0)
    violate("quiet was promised while a call was in progress (G03)", key, by);
  if (destroyed.load(std::memory_order_relaxed) != 1)
    violate("quiet was promised before the callable was destroyed (G03)", key, by);
  if (plain_calls != calls.load(std::memory_order_relaxed))
    violate("what a call did is not visible after its end (G11)", key, by);
}

cargo_core::~cargo_core() {
  if (item_ == nullptr) return;
  if (hash_ != hash_of(key_) || item_->key != key_) {
    violate("a callable was destroyed twice, or its memory was overwritten", key_);
    return;
  }
  if (item_->in_call.load(std::memory_order_relaxed) != 0) violate("a callable was destroyed during a call", key_);
  if (item_->destroyed.fetch_add(1, std::memory_order_relaxed) != 0) violate("a callable was destroyed twice", key_);
  item_->field->act_destroyed(*item_);
  // Volatile, or the compiler would leave out writes to an object at its end.
  *const_cast<volatile std::uint64_t*>(&key_) = poison;
  *const_cast<volatile std::uint64_t*>(&hash_) = poison;
}

void cargo_core::operator()(firing& current) {
  if (hash_ != hash_of(key_) || item_->key != key_) {
    violate("a callable was called after it was destroyed, or its memory was overwritten", key_);
    return;
  }
  storm_item& item = *item_;
  enter_call(item, current);
  const call_guard guard{item};
  item.field->act_inside(item, current);
}

}  // namespace detent::cli
