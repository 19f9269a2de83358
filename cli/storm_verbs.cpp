// What the threads and the callbacks of a storm do, and how each answer enters the account.
#include "storm_field.hpp"

#include <mutex>
#include <shared_mutex>
#include <thread>
#include <utility>

namespace detent::cli {

namespace {

constexpr std::int64_t far_ns = 3'600'000'000'000;

// Mostly about now, where the races are; some later; some in an hour, which only a verb can end.
std::int64_t draw_delay_ns(dice& d) noexcept {
  const std::uint32_t lot = d.below(100);
  if (lot < 45) return 0;
  if (lot < 70) return d.below(60'000);
  if (lot < 84) return d.below(1'000'000);
  if (lot < 90) return d.below(8'000'000);
  return far_ns + d.below(1'000'000'000);
}

void spin(std::uint32_t turns) noexcept {
  for (std::uint32_t i = 0; i < turns; ++i) asm volatile("" ::: "memory");
}

// A call that takes its time: others meet it.
void linger(dice& d) { std::this_thread::sleep_for(std::chrono::microseconds(20 + d.below(200))); }

// The timer whose call this thread is in: what that call does to it is no race.
constinit thread_local const storm_item* in_call_of = nullptr;

class call_of {
 public:
  explicit call_of(const storm_item& item) noexcept : before_(std::exchange(in_call_of, &item)) {}
  ~call_of() { in_call_of = before_; }
  call_of(const call_of&) = delete;
  call_of& operator=(const call_of&) = delete;

 private:
  const storm_item* const before_;
};

constexpr bool withdrew(cancel_result r) noexcept {
  return r == cancel_result::cancelled || r == cancel_result::cancelled_running;
}
constexpr bool met_call(cancel_result r) noexcept {
  return r == cancel_result::running || r == cancel_result::cancelled_running;
}
bool is_used_up(const storm_item* item) noexcept {
  return item == nullptr || item->known_closed.load(std::memory_order_relaxed);
}
constexpr bool is_over(cancel_result r) noexcept { return r == cancel_result::closed || r == cancel_result::shut_down; }

}  // namespace

// Notes when a verb began and returned, and who else was there.
class verb_scope {
 public:
  verb_scope(storm_field& field, storm_item& item) noexcept
      : field_(field),
        item_(item),
        began_(field.ticks_down(item.clock, clock_now_ns(item.clock))),
        known_closed_(item.known_closed.load(std::memory_order_relaxed)),
        is_own_(in_call_of == &item),
        was_in_call_(item.in_call.load(std::memory_order_relaxed) != 0),
        was_in_verb_(item.in_verbs.fetch_add(1, std::memory_order_relaxed) != 0) {
    count(field.counts_.operations);
    if (was_in_verb_ && !known_closed_) meets(field.counts_.verb_against_verb);
  }
  ~verb_scope() {
    item_.in_verbs.fetch_sub(1, std::memory_order_relaxed);
    if (met_) count(field_.counts_.effective);
  }
  verb_scope(const verb_scope&) = delete;
  verb_scope& operator=(const verb_scope&) = delete;

  storm_item& item() const noexcept { return item_; }

  /// When it returned.
  std::uint32_t returned() const noexcept { return field_.ticks_up(item_.clock, clock_now_ns(item_.clock)); }
  /// From now on no firing of an arming that had returned before may start (G06).
  void voids() const noexcept { item_.note_voided(began_, returned()); }
  void found_closed() noexcept {
    if (known_closed_) count(field_.counts_.stale_id);
    else if (was_in_verb_ || item_.in_verbs.load(std::memory_order_relaxed) > 1) meets(field_.counts_.refused_by_close);
    else count(field_.counts_.found_closed);
    item_.known_closed.store(true, std::memory_order_relaxed);
  }
  /// A call of another thread was there: the library says so, or the call's own account does.
  void met_call(bool told, std::atomic<std::uint64_t>& kind) noexcept {
    if (!is_own_ && (told || was_in_call_ || item_.in_call.load(std::memory_order_relaxed) != 0)) meets(kind);
  }

 private:
  void meets(std::atomic<std::uint64_t>& kind) noexcept {
    count(kind);
    met_ = true;
  }

  storm_field& field_;
  storm_item& item_;
  const std::uint32_t began_;
  const bool known_closed_;
  const bool is_own_;
  const bool was_in_call_;
  const bool was_in_verb_;
  bool met_ = false;
};

template <class Clock>
struct storm_field::by_handle {
  basic_timer<Clock>& timer;
  static typename Clock::time_point at(std::int64_t ns) noexcept {
    return typename Clock::time_point(std::chrono::duration_cast<typename Clock::duration>(duration(ns)));
  }
  arm_result arm_at(std::int64_t ns) noexcept { return timer.arm_at(at(ns)); }
  arm_result arm_after(duration d) noexcept { return timer.arm_after(d); }
  arm_result arm_every(std::int64_t first_ns, duration period, series_options o) noexcept {
    return timer.arm_every(at(first_ns), period, o);
  }
  cancel_result cancel() noexcept { return timer.cancel(); }
  cancel_result close() noexcept { return timer.close(); }
  cancel_answer cancel_and_wait() noexcept { return timer.cancel_and_wait(); }
  cancel_answer close_and_wait() noexcept { return timer.close_and_wait(); }
  wait_result wait_for(duration d) noexcept { return timer.wait_for(d); }
  stop_result stop() noexcept { return timer.stop(); }
  template <class F>
  then_result close_then(F&& f) noexcept {
    return timer.close_then(std::forward<F>(f));
  }
};

struct storm_field::by_id {
  timer_service& service;
  timer_id id;
  clock_kind clock;
  arm_result arm_at(std::int64_t ns) noexcept {
    switch (clock) {
      case clock_kind::steady: return service.arm_at(id, by_handle<steady_clock>::at(ns));
      case clock_kind::boottime: return service.arm_at(id, by_handle<boottime_clock>::at(ns));
      case clock_kind::system: break;
    }
    return service.arm_at(id, by_handle<system_clock>::at(ns));
  }
  arm_result arm_after(duration d) noexcept { return service.arm_after(id, d); }
  arm_result arm_every(std::int64_t, duration period, series_options o) noexcept {
    return service.arm_every(id, period, o);
  }
  cancel_result cancel() noexcept { return service.cancel(id); }
  cancel_result close() noexcept { return service.close(id); }
  cancel_answer cancel_and_wait() noexcept { return service.cancel_and_wait(id); }
  cancel_answer close_and_wait() noexcept { return service.close_and_wait(id); }
  wait_result wait_for(duration d) noexcept { return service.wait_for(id, d); }
  stop_result stop() noexcept { return service.stop(id); }
  template <class F>
  then_result close_then(F&& f) noexcept {
    return service.close_then(id, std::forward<F>(f));
  }
};

// The continuation of close_then: runs once, after the last call and the destruction of the callable.
struct storm_field::then_cargo {
  storm_item* item;
  explicit then_cargo(storm_item& of) noexcept : item(&of) {}
  then_cargo(then_cargo&& other) noexcept : item(std::exchange(other.item, nullptr)) {}
  then_cargo(const then_cargo&) = delete;
  ~then_cargo() {
    if (item != nullptr) count(item->field->counts_.then_destroyed);
  }
  void operator()() {
    count(item->field->counts_.then_run);
    if (item->in_call.load(std::memory_order_relaxed) != 0) violate("close_then ran during a call (G09)", item->key);
    if (item->destroyed.load(std::memory_order_relaxed) != 1) {
      violate("close_then ran before the callable was destroyed (G09)", item->key);
    }
  }
};

// --- One verb on one timer ------------------------------------------------------------------------------------------

void storm_field::note_cancel(verb_scope& scope, cancel_result found) noexcept {
  if (withdrew(found)) scope.item().cancelled.fetch_add(1, std::memory_order_relaxed);
  scope.met_call(met_call(found), counts_.cancel_against_call);
}

void storm_field::note_close(verb_scope& scope, cancel_result found) noexcept {
  storm_item& item = scope.item();
  if (withdrew(found)) item.closed.fetch_add(1, std::memory_order_relaxed);
  scope.met_call(met_call(found), counts_.close_against_call);
  if (!is_over(found) && item.close_answered.exchange(true, std::memory_order_relaxed)) {
    violate("two closes of one timer were both told that they closed it (G05)", item.key);
  }
}

void storm_field::note_wait(verb_scope& scope, cancel_answer answer, bool closes, bool inside) {
  storm_item& item = scope.item();
  scope.met_call(met_call(answer.outcome), counts_.wait_against_call);
  if (answer.wait == wait_result::timed_out) violate("a wait without limit answered timed_out", item.key);
  if (answer.wait == wait_result::from_callback) violate("a wait for another timer answered from_callback", item.key);
  if (answer.wait == wait_result::would_deadlock && (!inside || lots_.ordered)) {
    violate("a wait that closes no cycle was refused (G08)", item.key);
  }
  if (closes && answer.wait == wait_result::quiet) item.seal("close_and_wait");
}

template <class Target>
void storm_field::arm(storm_item& item, Target& target, dice& d) {
  const bool owns = !std::is_same_v<Target, by_id>;
  const bool series = item.use == item_use::series || (item.use == item_use::mixed && owns && d.chance(50));
  const std::int64_t delay_ns = draw_delay_ns(d);
  verb_scope scope(*this, item);
  arm_result answer{};
  std::int64_t at_ns = 0;
  if (series) {
    series_options o;
    if (item.use == item_use::series) {
      o.pace = d.chance(40) ? pace::fixed_delay : pace::fixed_rate;
      o.missed = static_cast<missed_ticks>(d.below(3));
    }
    o.first = duration(delay_ns);
    const duration period(d.chance(20) ? far_ns & ~std::int64_t{255} : 256 * (800 + d.below(20'000)));
    // Bit 3 stays 0: a tick of a series on a mixed timer.
    answer = target.arm_every((clock_now_ns(item.clock) + delay_ns) & ~std::int64_t{255}, period, o);
  } else if (item.use == item_use::shot && item.key % 4 == 0) {
    // Such a deadline is the library's to choose: it may fall, to the resolution, on one that was noted before. So
    // these items note nothing.
    answer = target.arm_after(duration(delay_ns));
  } else {
    const std::uint32_t number = item.next_arming.fetch_add(1, std::memory_order_relaxed);
    // The arming's number is part of its deadline, so that a firing tells which one it is.
    at_ns = ((clock_now_ns(item.clock) + delay_ns) & ~std::int64_t{4095}) | (number & 255) << 4 | shot_mark;
    answer = target.arm_at(at_ns);
  }
  if (answer == arm_result::refused) violate("a legal arming was refused", item.key);
  if (answer != arm_result::armed && answer != arm_result::rearmed) {
    scope.found_closed();
    return;
  }
  item.armings.fetch_add(1, std::memory_order_relaxed);
  if (answer == arm_result::rearmed) item.replaced.fetch_add(1, std::memory_order_relaxed);
  if (at_ns != 0) item.note_arming(at_ns, scope.returned());
  scope.voids();
  scope.met_call(false, counts_.arm_against_call);
}

template <class Target>
cancel_result storm_field::close(storm_item& item, Target& target) {
  verb_scope scope(*this, item);
  const cancel_result found = target.close();
  scope.voids();
  if (is_over(found)) scope.found_closed();
  note_close(scope, found);
  item.known_closed.store(true, std::memory_order_relaxed);
  return found;
}

template <class Target>
void storm_field::wait(storm_item& item, Target& target, dice& d, bool inside) {
  const std::uint32_t lot = d.below(100);
  verb_scope scope(*this, item);
  if (lot < 15) {
    const cancel_answer answer = target.close_and_wait();
    scope.voids();
    if (is_over(answer.outcome)) scope.found_closed();
    note_close(scope, answer.outcome);
    item.known_closed.store(true, std::memory_order_relaxed);
    note_wait(scope, answer, true, inside);
  } else if (lot < 55) {
    const cancel_answer answer = target.cancel_and_wait();
    scope.voids();
    if (is_over(answer.outcome)) scope.found_closed();
    note_cancel(scope, answer.outcome);
    note_wait(scope, answer, false, inside);
  } else {
    const wait_result answer = target.wait_for(duration(d.below(1'500'000)));
    if (!inside && (answer == wait_result::from_callback || answer == wait_result::would_deadlock)) {
      violate("a wait outside every callback was refused (G08)", item.key);
    }
    if (answer == wait_result::would_deadlock && lots_.ordered) {
      violate("a wait that closes no cycle was refused (G08)", item.key);
    }
    scope.met_call(false, counts_.wait_against_call);
  }
}

template <class Target>
void storm_field::then(storm_item& item, Target& target) {
  if (lots_.exact) static_cast<void>(close(item, target));
  else item.unseen.fetch_add(1, std::memory_order_relaxed);
  count(counts_.operations);
  count(counts_.then_accepted);
  if (target.close_then(then_cargo(item)) != then_result::accepted) violate("close_then had no memory", item.key);
  item.known_closed.store(true, std::memory_order_relaxed);
}

template <class Target>
void storm_field::perform(storm_item& item, Target target, dice& d, const storm_item* inside) {
  const bool may_wait = inside == nullptr || !lots_.ordered || item.key > inside->key;
  const std::uint32_t lot = d.below(100);
  if (lot < 60 || (!may_wait && lot >= 87)) {
    arm(item, target, d);
  } else if (lot < 82) {
    verb_scope scope(*this, item);
    const cancel_result found = target.cancel();
    scope.voids();
    if (is_over(found)) scope.found_closed();
    note_cancel(scope, found);
  } else if (lot < 84) {
    static_cast<void>(close(item, target));
  } else if (lot < 85) {
    then(item, target);
  } else if (lot < 87) {
    const verb_scope scope(*this, item);
    static_cast<void>(target.stop());
  } else {
    wait(item, target, d, inside != nullptr);
  }
}

timer_slot& storm_field::draw_slot(dice& d) noexcept {
  return slots_[d.chance(90) ? d.below(lots_.hot) : d.below(slot_count)];
}

void storm_field::by_slot(dice& d, const storm_item* inside) {
  timer_slot& slot = draw_slot(d);
  // Nobody waits for another here: who waits for a lock of ours races with nobody.
  std::shared_lock guard(slot.lock, std::try_to_lock);
  if (!guard.owns_lock()) {
    by_slot_id(d, inside);
    return;
  }
  storm_item* item = slot.item;
  if (inside == nullptr && is_used_up(item) && !d.chance(10)) {
    guard.unlock();
    refill(slot, d);
    return;
  }
  if (item == nullptr || item == inside) return;
  slot.handle.visit([&](auto& handle) {
    using clock = typename std::decay_t<decltype(handle)>::clock;
    perform(*item, by_handle<clock>{handle}, d, inside);
  });
}

void storm_field::by_id_of(storm_item& item, dice& d, const storm_item* inside) {
  // Acquire: its creator's plain fields come with it. The library orders nothing between strangers.
  if (!item.created.load(std::memory_order_acquire) || &item == inside) return;
  const timer_id id = item.timer();
  if (!id) return;
  perform(item, by_id{*item.service, id, item.clock}, d, inside);
}

// Without the slot's lock: meets whatever is done to the handle, its destruction too.
void storm_field::by_slot_id(dice& d, const storm_item* inside) {
  timer_slot& slot = draw_slot(d);
  const std::uint32_t key = slot.key.load(std::memory_order_acquire);
  storm_item* item = key == 0 ? nullptr : &items_[key - 1];
  if (!is_used_up(item) || (item != nullptr && d.chance(10))) by_id_of(*item, d, inside);
  else if (inside == nullptr) refill(slot, d);
}

// Any timer of this round, most of them long gone.
void storm_field::by_stale_id(dice& d, const storm_item* inside) {
  const std::uint32_t made = std::min<std::uint32_t>(item_count_.load(std::memory_order_relaxed), item_limit);
  if (made == 0) return;
  const std::uint32_t recent = made < 100 || d.chance(20) ? made : 100;
  by_id_of(items_[made - 1 - d.below(recent)], d, inside);
}

// --- Handles --------------------------------------------------------------------------------------------------------

// The end of a handle. By then nobody else can name it but by its id.
void storm_field::retire(any_timer handle, storm_item& item, bool inside_itself) {
  {
    verb_scope scope(*this, item);
    if (lots_.exact) handle.visit([&](auto& h) { note_close(scope, h.close()); });
    else item.unseen.fetch_add(1, std::memory_order_relaxed);
    handle.visit([](auto& h) { h = {}; });
    item.known_closed.store(true, std::memory_order_relaxed);
    scope.met_call(false, counts_.close_against_call);
  }
  if (!inside_itself) item.seal("its destructor");
}

void storm_field::refill(timer_slot& slot, dice& d) {
  const std::unique_lock guard(slot.lock, std::try_to_lock);
  if (guard.owns_lock() && is_used_up(slot.item)) fill(slot, d);
}

void storm_field::replace_or_destroy(dice& d) {
  timer_slot& slot = draw_slot(d);
  std::unique_lock guard(slot.lock, std::try_to_lock);
  if (!guard.owns_lock()) return;
  if (slot.item == nullptr || d.chance(30)) {
    fill(slot, d);
    return;
  }
  storm_item* item = std::exchange(slot.item, nullptr);
  any_timer dying = std::move(slot.handle);
  guard.unlock();
  retire(std::move(dying), *item, false);
}

void storm_field::move_about(dice& d) {
  timer_slot& a = slots_[d.below(slot_count)];
  timer_slot& b = slots_[d.below(slot_count)];
  if (&a == &b) return;
  const std::unique_lock first(a.lock);
  const std::unique_lock second(b.lock, std::try_to_lock);
  if (!second.owns_lock()) return;
  count(counts_.operations);
  std::swap(a.item, b.item);
  any_timer moved = std::move(a.handle);
  a.handle = std::move(b.handle);
  b.handle = std::move(moved);
  for (timer_slot* slot : {&a, &b}) {
    if (slot->item != nullptr) {
      slot->item->slot.store(static_cast<std::uint32_t>(slot - slots_.data()), std::memory_order_relaxed);
    }
  }
}

void storm_field::destroy_itself(storm_item& item) {
  timer_slot& slot = slots_[item.slot.load(std::memory_order_relaxed)];
  std::unique_lock guard(slot.lock, std::try_to_lock);
  if (!guard.owns_lock() || slot.item != &item) return;
  slot.item = nullptr;
  any_timer dying = std::move(slot.handle);
  guard.unlock();
  count(counts_.inside_callback);
  retire(std::move(dying), item, true);
}

// Two calls that come here at the same time wait for each other: one of the two has to be refused.
void storm_field::meet_another_call(const storm_item& item, dice& d) {
  const auto mine = static_cast<std::uint32_t>(item.key);
  const std::uint32_t before = meeting_.exchange(mine, std::memory_order_relaxed);
  linger(d);
  const std::uint32_t after = meeting_.load(std::memory_order_relaxed);
  const std::uint32_t key = after != mine ? after : before;
  if (key == 0 || key == mine || (lots_.ordered && key < mine)) return;
  storm_item& other = items_[key - 1];
  if (!other.created.load(std::memory_order_acquire) || !other.timer()) return;
  by_id target{*other.service, other.timer(), other.clock};
  wait(other, target, d, true);
}

// A destructor cannot refuse, so it may only be called where no wait closes a cycle.
void storm_field::destroy_younger(const storm_item& item, dice& d) {
  if (!lots_.ordered) return;
  timer_slot& slot = slots_[d.below(slot_count)];
  std::unique_lock guard(slot.lock, std::try_to_lock);
  if (!guard.owns_lock() || slot.item == nullptr || slot.item->key <= item.key) return;
  storm_item* younger = std::exchange(slot.item, nullptr);
  any_timer dying = std::move(slot.handle);
  guard.unlock();
  retire(std::move(dying), *younger, false);
}

// --- The driver's sleep ---------------------------------------------------------------------------------------------

// An arming whose wake-up was lost fires only when another wakes the driver. So nothing else is armed here: all timers
// are closed but one, and each arming comes about when the driver, the one before being over, goes to
// sleep.
void storm_field::probe_sleep(std::uint64_t seed) {
  if (refusing_executor_) return;
  const std::uint32_t made = std::min<std::uint32_t>(item_count_.load(std::memory_order_relaxed), item_limit);
  for (std::uint32_t i = 0; i < made; ++i) {
    if (!items_[i].id_only || !items_[i].timer()) continue;
    by_id target{*items_[i].service, items_[i].timer(), items_[i].clock};
    static_cast<void>(close(items_[i], target));
  }
  dice d(seed);
  const auto probe = [&](timer_service& service, auto clock) {
    using type = decltype(clock);
    std::atomic<std::uint32_t> fired{0};
    basic_timer<type> probed(service, [&fired](firing&) { fired.fetch_add(1, std::memory_order_relaxed); });
    const auto give_up = steady_clock::now() + std::chrono::seconds(20);
    for (std::uint32_t n = 1; n <= 12 && !is_violated() && service.counters().rescues == 0; ++n) {
      probed.arm_after(duration(n % 2 == 0 ? 0 : d.below(20'000)));
      while (fired.load(std::memory_order_relaxed) != n) {
        if (steady_clock::now() > give_up) {
          violate("a timer that is due does not fire, and nothing else is armed (G22)", n);
          break;
        }
        std::this_thread::yield();
      }
      spin(d.below(d.chance(50) ? 4000 : 20'000));
    }
    probed.close_and_wait();
  };
  for (std::size_t i = 0; i < lots_.services; ++i) {
    switch (lots_.only_steady ? clock_kind::steady : draw_clock(d)) {
      case clock_kind::steady: probe(*services_[i], steady_clock{}); break;
      case clock_kind::boottime: probe(*services_[i], boottime_clock{}); break;
      case clock_kind::system: probe(*services_[i], system_clock{}); break;
    }
  }
}

// --- Groups ---------------------------------------------------------------------------------------------------------

void storm_field::seal_members(const storm_group& account, const char* by) {
  for (storm_item* i = account.members.load(std::memory_order_acquire); i != nullptr; i = i->next_member) {
    i->known_closed.store(true, std::memory_order_relaxed);
    i->seal(by);
  }
}

void storm_field::on_group(dice& d, storm_item* inside) {
  group_slot& g = groups_[d.below(group_count)];
  const std::uint32_t lot = d.below(100);
  count(counts_.operations);
  if (lot < 15 && inside == nullptr && lots_.group_verbs) {
    const std::unique_lock guard(g.lock);
    if (g.group == nullptr) return;
    if (lots_.exact) {
      count(counts_.group_closed, g.group->close());
    } else {
      for (storm_item* i = g.account->members.load(std::memory_order_acquire); i != nullptr; i = i->next_member) {
        i->unseen.fetch_add(1, std::memory_order_relaxed);
      }
    }
    g.group.reset();
    seal_members(*g.account, "the destructor of its group");
    g.account = new_group_account(g.account->serial);
    if (g.account == nullptr) return;
    const group_order order = g.account->serial ? group_order::serial : group_order::concurrent;
    g.group = std::make_unique<timer_group>(*services_[g.service], group_options{"storm", order});
    return;
  }
  std::shared_lock guard(g.lock, std::defer_lock);
  if (inside != nullptr) {
    if (!guard.try_lock()) return;
  } else {
    guard.lock();
  }
  if (g.group == nullptr) return;
  if (lot < 35) {
    static_cast<void>(g.group->stop());
  } else if (lot < 45) {
    if (inside == nullptr || !lots_.ordered) static_cast<void>(g.group->wait_for(duration(d.below(1'000'000))));
  } else if (lots_.group_verbs && lot < 85) {
    count(counts_.group_cancelled, g.group->cancel());
  } else if (lots_.group_verbs && lot < 95) {
    count(counts_.group_closed, g.group->close());
    if (inside == nullptr) {
      if (g.group->wait() == wait_result::quiet) seal_members(*g.account, "wait on its closed group");
      else violate("a wait for a group outside every callback was refused (G08)", 0);
    }
  } else {
    static_cast<void>(g.group->size());
  }
}

// --- Threads and callbacks ------------------------------------------------------------------------------------------

void storm_field::act_outside(std::uint64_t seed, std::uint32_t operations) {
  dice d(seed);
  // After a shutdown every timer is closed: there is little left to meet.
  std::uint32_t afterwards = 200;
  for (std::uint32_t i = 0; i < operations && !is_violated(); ++i) {
    if (shut_down_.load(std::memory_order_relaxed) && --afterwards == 0) return;
    const std::uint32_t lot = d.below(100);
    if (lot < 8) replace_or_destroy(d);
    else if (lot < 11) move_about(d);
    else if (lot < 56) by_slot(d, nullptr);
    else if (lot < 86) by_slot_id(d, nullptr);
    else if (lot < 90) by_stale_id(d, nullptr);
    else if (lot < 91 && !lots_.races_shutdown) start_by_id(d);
    else if (lot < 95) on_group(d, nullptr);
    else if (lot < 96) static_cast<void>(services_[0]->snapshot());
    else spin(d.below(3000));
  }
}

void storm_field::on_itself(storm_item& item, firing& current, dice& d) {
  const std::uint32_t lot = d.below(100);
  by_id self{*item.service, current.id(), item.clock};
  count(counts_.inside_callback);
  if (lot < 40) {
    arm(item, self, d);
  } else if (lot < 55) {
    verb_scope scope(*this, item);
    const cancel_result found = self.cancel();
    note_cancel(scope, found);
    if (found == cancel_result::cancelled || found == cancel_result::idle) {
      violate("a cancel inside the call said that no call is in progress", item.key);
    }
  } else if (lot < 65) {
    static_cast<void>(close(item, self));
  } else if (lot < 72 && !lots_.exact) {
    item.unseen.fetch_add(1, std::memory_order_relaxed);
    current.close();
  } else if (lot < 80) {
    verb_scope scope(*this, item);
    const cancel_answer answer = self.close_and_wait();
    note_close(scope, answer.outcome);
    if (answer.wait != wait_result::from_callback && !item.detached.load(std::memory_order_relaxed)) {
      violate("a wait for its own call did not answer from_callback (G04)", item.key);
    }
  } else if (lot < 90) {
    destroy_itself(item);
  } else if (lot < 95) {
    item.detached.store(true, std::memory_order_relaxed);
    current.detach();
  } else {
    then(item, self);
  }
}

void storm_field::act_inside(storm_item& item, firing& current) {
  const acting_scope acting(*this);
  const call_of mine(item);
  if (is_calm()) return;
  dice d(lots_.seed ^ item.key << 20 ^ item.calls.load(std::memory_order_relaxed));
  const std::uint32_t lot = d.below(100);
  if (lot < 10) spin(d.below(4000));
  else if (lot < 28) linger(d);
  else if (lot < 50) on_itself(item, current, d);
  else if (lot < 60) by_slot(d, &item);
  else if (lot < 67) by_slot_id(d, &item);
  else if (lot < 69) by_stale_id(d, &item);
  else if (lot < 73) destroy_younger(item, d);
  else if (lot < 77) on_group(d, &item);
  else if (lot < 79) static_cast<void>(current.token().stop_requested());
  else if (lot >= 82) meet_another_call(item, d);
#if DETENT_EXCEPTIONS
  else if (lot < 82) {
    count(counts_.threw);
    throw item.key;
  }
#endif
}

// A capture may use its own timer to its last moment; the verbs find it closed.
void storm_field::act_destroyed(storm_item& item) noexcept {
  const timer_id id = item.timer();
  if (item.key % 4 != 0 || !id || is_calm()) return;
  if (!is_over(item.service->cancel(id))) violate("a capture was destroyed while its timer was open", item.key);
}

}  // namespace detent::cli
