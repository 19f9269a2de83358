// driver: looks at the clock, files what arrived, hands out what is due, and sleeps to the exact next deadline.
//
// Everything here is the driver role's: one thread at a time, the service's own or whoever is inside `run_due`.
#include "engine/core.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace detent::inline v0::detail {

namespace {

constexpr std::uint64_t key_of(instant at) noexcept { return at / resolution_ns; }
constexpr instant instant_of(std::uint64_t key) noexcept { return key * resolution_ns; }

// Where firings come closer than a few microseconds one after the other, the next sleep may be longer by a microsecond
// for each that the look handed out, up to what the kernel rounds every ordinary thread's sleeps by: going to sleep and
// waking cost more than a firing, and what is due so often is late by most of a wake-up anyway. Who is alone, behind a
// burst too, is met exactly (docs/decisions/0066).
constexpr std::uint64_t slack_per_firing_ns = 1'000;
constexpr std::uint64_t dense_per_firing_ns = 4'000;
constexpr std::uint64_t slack_limit_ns = 50'000;

// `passed_ns`: since the look before; `ahead_ns`: to the next deadline.
constexpr std::int64_t slack_ns(std::uint64_t handed, std::uint64_t passed_ns, std::uint64_t ahead_ns) noexcept {
  if (handed < 2 || passed_ns > handed * dense_per_firing_ns || ahead_ns > slack_limit_ns) return 0;
  return static_cast<std::int64_t>(std::min(handed * slack_per_firing_ns, slack_limit_ns));
}

constexpr clock_id every_clock[] = {clock_id::steady, clock_id::boottime, clock_id::system};

}  // namespace

void core::drive_main(void* self) {
  auto* c = static_cast<core*>(self);
  c->thread_starts(c->driver_name_);
  c->driving_.store(true, memory_order_relaxed);  // D1: for as long as the thread lives.
  c->drive();
  if (!c->is_gone()) c->unshare();
}

void core::drive() noexcept {
  for (;;) {
    const std::size_t handed = look(SIZE_MAX);
    if (stopping_.load(memory_order_relaxed) || is_gone()) return;  // Q2 <- Q1, by S4.
    sleep_until_due(handed);
  }
}

// One look: what arrived is filed, then what is due by one reading of each clock is handed out in order. Answers how
// many firings were handed out.
std::size_t core::look(std::size_t limit) noexcept {
  if (is_gone()) return 0;  // A hook forked.
  file_inbox();
  std::size_t handed = 0;
  for (const clock_id clock : every_clock) {
    handed += hand_due(clock, limit - handed);
    if (is_gone()) return handed;  // A callback, or an executor's post, forked: this is the child.
  }
  flush_batch();
  return handed;
}

void core::file_inbox() noexcept {
  const auto next_of = [this](std::uint32_t index) -> std::uint32_t& { return registry_.hot(index).inbox_next; };
  for (std::uint32_t at = take_inbox(mail_, access_, next_of); at != 0;) {
    const std::uint32_t index = at - 1;
    // Read before the visit: after it an armer may push the record again.
    at = registry_.hot(index).inbox_next;
    file(index, visited_from::inbox);
  }
}

// Keeps exactly one token for the record, at the instant its hint promises.
void core::file(std::uint32_t index, visited_from where) noexcept {
  record& r = registry_.hot(index);
  const visit_answer answer = visit_record(words(r, index), where, 0, access_);
  if (answer.what != visit::filed) return;
  record_wheel& tokens =
      *wheel_of(order_word::clock(r.order.load(memory_order_relaxed)));  // The same for every tenant.
  if (tokens.is_filed(index)) tokens.remove(index);
  if (answer.at == never) return;
  [[maybe_unused]] const auto is_far = [&] {
    return answer.at - to_instant_rounded_down(now_ns(clock_of(index))) > std::uint64_t{1} << 20;
  };
  tokens.file(index, key_of(answer.at) | (busted(bug::far_rounded) && is_far() ? 63U : 0U));
}

std::size_t core::hand_due(clock_id clock, std::size_t limit) noexcept {
  record_wheel* tokens = wheel_of(clock);
  if (tokens == nullptr) return 0;
  const instant now = to_instant_rounded_down(now_ns(clock));
  std::size_t handed = 0;
  const auto earlier = [this](std::uint32_t a, std::uint32_t b) {
    const record& x = registry_.hot(a);
    const record& y = registry_.hot(b);
    const instant at_x = state::look_at(x.state.load(memory_order_relaxed));  // T13: order only; T4 decides.
    const instant at_y = state::look_at(y.state.load(memory_order_relaxed));  // T13: as above.
    if (at_x != at_y) return at_x < at_y;
    const std::uint64_t order_x = x.order.load(memory_order_relaxed);  // As above.
    const std::uint64_t order_y = y.order.load(memory_order_relaxed);  // As above.
    return busted(bug::order_reversed) ? order_x > order_y : order_x < order_y;
  };
  for (;;) {
    std::uint32_t chain = tokens->take_due(key_of(now));
    if (chain == no_index) return handed;
    if (registry_.link(chain).next != no_index) chain = tokens->sort(chain, earlier);
    // What was postponed goes back to its new place, also when that is due by now: others may come before it (G21).
    const instant reached = std::min(now, instant_of(tokens->reached()));
    while (chain != no_index) {
      const std::uint32_t index = chain;
      chain = registry_.link(index).next;
      if (chain != no_index) __builtin_prefetch(&registry_.hot(chain));
      if (handed == limit) {  // A manual clock's single step: the rest stays where it was.
        tokens->file(index, key_of(hint::look_at(registry_.hot(index).hint.load(memory_order_relaxed))));  // H7.
        continue;
      }
      const visit_answer answer =
          visit_record(words(registry_.hot(index), index), visited_from::wheel, reached, access_);
      if (answer.what == visit::due) {
        ++handed;
        hand(index);
        if (is_gone()) return handed;  // The callback forked: this is the child.
      } else if (answer.at != never) {
        tokens->file(index, key_of(answer.at));
      }
    }
    if (handed == limit) return handed;
  }
}

// H3 is done: gives the entry to the executor, or to its serial group's queue.
void core::hand(std::uint32_t index) noexcept {
  record& r = registry_.hot(index);
  group_record* group = nullptr;
  if (state::is_guarded(r.state.load(memory_order_relaxed))) {  // T13: looked at again under the lock.
    cold_part& c = registry_.cold(index);
    {
      // Under the lock a guarded word says that the tenant, and so its group, is there.
      lock_guard guard(registry_.lock_of(index));
      if (state::is_guarded(r.state.load(memory_order_relaxed)) && c.serial) group = c.group;  // T13: by the lock.
      if (group != nullptr) share_group(group);
    }
    if (group != nullptr) {
      const bool runs_here = options_.executor.which() == executor_choice::kind::driver;
      lock_guard guard(group->turn_lock);
      const bool queues = group->busy && !busted(bug::serial_overlap);
      if (queues || !runs_here) registry_.rare(index).handed_for = group;
      if (queues) {
        registry_.link(index).next = no_index;
        (group->turn_last == no_index ? group->turn_first : registry_.link(group->turn_last).next) = index;
        group->turn_last = index;
        return;
      }
      group->busy = true;
    }
  }
  switch (options_.executor.which()) {
    case executor_choice::kind::driver: run_turn(index, group); break;
    case executor_choice::kind::custom: hand_over(index); break;
    case executor_choice::kind::pool:
      (batch_first_ == no_index ? batch_first_ : registry_.link(batch_last_).next) = index;
      batch_last_ = index;
      if (++batch_count_ >= 64) flush_batch();
      break;
  }
}

void core::flush_batch() noexcept {
  if (batch_first_ == no_index) return;
  pool_->post(batch_first_, batch_last_, batch_count_);
  batch_first_ = batch_last_ = no_index;
  batch_count_ = 0;
}

// --- Sleeping -------------------------------------------------------------------------------------------------------

// S1 for every clock, then I3. Answers whether the inbox is still empty: only then may the driver sleep.
bool core::publish_sleep() noexcept {
  for (const clock_id clock : every_clock) {
    record_wheel* tokens = wheel_of(clock);
    std::uint64_t next = tokens == nullptr ? record_wheel::nothing : tokens->next();
    const instant until_then = next == record_wheel::nothing ? never : instant_of(next);
    chaos(chaos_at::sleep_S1);
    sleepers_[static_cast<std::size_t>(clock)].until.store(until_then, memory_order_relaxed);  // S1 -> S2, by I3.
  }
  if (busted(bug::lost_wake)) return true;
  return read_in_order(mail_.inbox, access_, memory_order_release) == 0;  // I3 -> I1 (SB-B).
}

void core::awake() noexcept {
  for (sleep_instant& s : sleepers_) s.until.store(sleep_instant::awake, memory_order_relaxed);  // S5: no partner.
}

// `handed`: by the look before.
void core::sleep_until_due(std::size_t handed) noexcept {
  const bool in_poll = poll_ready_.load(memory_order_acquire);     // P2 <- P3.
  sleeps_in_poll_.store(in_poll, memory_order_release);            // P1: before S1.
  const eventcount::ticket ticket = driver_sleep_.prepare();       // S4 <- S3.
  if (publish_sleep() && !stopping_.load(memory_order_relaxed)) {  // Q2 <- Q1, by S4.
    if (in_poll) {
      set_alarms();
      // In proof builds a poll ends by itself too, as in eventcount::wait_watched: who finds something in the inbox
      // then, and is not told for a whole second more, was rescued.
      if (!poll_.sleep(proof_build ? 50'000'000 : -1) && proof_build &&
          read_in_order(mail_.inbox, access_, memory_order_release) != 0 && !poll_.sleep(1'000'000'000)) {
        tallies_.rescues.fetch_add(1, memory_order_relaxed);
      }
      if (poll_.drain()) notice_clock_step(step_since_last_look());
    } else {
      record_wheel* tokens = wheel_of(clock_id::steady);
      const std::uint64_t next = tokens == nullptr ? record_wheel::nothing : tokens->next();
      const std::int64_t until_ns = next == record_wheel::nothing ? platform::forever_ns : to_ns(instant_of(next));
      std::int64_t lead_ns = 0;  // Negative: slack.
      if (options_.spin_percent == 0) {
        const instant reached = tokens == nullptr ? 0 : instant_of(tokens->reached());
        // A deadline before what was reached is late already: the difference wraps, and nothing is added.
        lead_ns = -slack_ns(handed, reached - reached_before_, instant_of(next) - reached);
        reached_before_ = reached;
      } else if (until_ns != platform::forever_ns) {
        const std::int64_t now_ns = platform::read_clock_ns(clock_id::steady);
        if (now_ns < until_ns) lead_ns = spin_.lead_ns(now_ns);
      }
      chaos(chaos_at::park_S4);
      driver_sleep_.wait_watched(busted(bug::late_ticket) ? driver_sleep_.prepare() : ticket, until_ns - lead_ns,
                                 tallies_.rescues,
                                 [this] { return read_in_order(mail_.inbox, access_, memory_order_release) != 0; });
      if (lead_ns > 0) spin_until(until_ns - lead_ns, until_ns, ticket);
    }
    tallies_.wakeups.fetch_add(1, memory_order_relaxed);
  }
  awake();
}

// The last part of a sleep: it ends like one, at its instant or when the epoch moves on. The sleep instant stays
// published, so who arms earlier wakes this thread as if it slept.
void core::spin_until(std::int64_t asked_ns, std::int64_t until_ns, eventcount::ticket seen) noexcept {
  const std::int64_t woke_ns = platform::read_clock_ns(clock_id::steady);
  if (woke_ns < asked_ns) return;  // Woken, or for no reason: the next sleep goes on.
  std::int64_t now_ns = woke_ns;
  while (now_ns < until_ns && driver_sleep_.prepare() == seen) {  // S4 <- S3.
    now_ns = platform::read_clock_ns(clock_id::steady);
  }
  spin_.note(asked_ns, woke_ns, now_ns);
  tallies_.spun_ns.fetch_add(static_cast<std::uint64_t>(now_ns - woke_ns), memory_order_relaxed);
}

void core::set_alarms() noexcept {
  for (const clock_id clock : every_clock) {
    record_wheel* tokens = wheel_of(clock);
    const std::uint64_t next = tokens == nullptr ? record_wheel::nothing : tokens->next();
    poll_.set_alarm(clock, next == record_wheel::nothing ? platform::forever_ns : to_ns(instant_of(next)));
  }
}

// Creates the wheel of a clock with its first timer. A clock other than the steady one needs the poll's alarms.
bool core::create_wheel(clock_id clock) noexcept {
  sync_atomic<record_wheel*>& place = wheels_[static_cast<std::size_t>(clock)];
  lock_guard guard(wheel_lock_);
  if (place.load(memory_order_relaxed) != nullptr) return true;  // Written under this lock only.
  if (clock != clock_id::steady && own_thread_) {
    if (const int error = poll_.open(); error != 0) {
      errno = error;
      return false;
    }
    poll_ready_.store(true, memory_order_release);  // P3 -> P2.
  }
  auto* tokens = new (std::nothrow) record_wheel(links{this});
  if (tokens == nullptr) {
    errno = ENOMEM;
    return false;
  }
  if (clock == clock_id::system) static_cast<void>(step_since_last_look());
  place.store(tokens, memory_order_release);  // W2 -> W1.
  // The driver may sleep on the futex: it has to come out and go to the poll instead.
  if (clock != clock_id::steady) driver_sleep_.notify(1);
  return true;
}

// --- Steps of the wall clock ----------------------------------------------------------------------------------------

// Filing anew is right for a step in either direction.
void core::notice_clock_step(std::int64_t by_ns) noexcept {
  if (record_wheel* tokens = wheel_of(clock_id::system)) {
    tokens->rebase(key_of(to_instant_rounded_down(now_ns(clock_id::system))));
  }
  tallies_.clock_steps.fetch_add(1, memory_order_relaxed);
  if (!options_.on_clock_step) return;
#if DETENT_EXCEPTIONS
  try {
    options_.on_clock_step(duration(by_ns));
  } catch (...) {
    tallies_.threw.fetch_add(1, memory_order_relaxed);
  }
#else
  options_.on_clock_step(duration(by_ns));
#endif
}

// How far the wall clock was moved against the steady one since it was last asked.
std::int64_t core::step_since_last_look() noexcept {
  const std::int64_t offset = now_ns(clock_id::system) - now_ns(clock_id::steady);
  return offset - std::exchange(wall_offset_ns_, offset);
}

// --- The driver role, where no thread of the service's own has it for ever -------------------------------------------

bool core::take_role() noexcept {
  if (driving_.exchange(true, memory_order_acquire)) return false;  // D1 <- D2.
  role_holder_.store(platform::this_thread(), memory_order_relaxed);
  return true;
}

void core::leave_role() noexcept {
  role_holder_.store(0, memory_order_relaxed);
  driving_.store(false, memory_order_release);  // D2 -> D1.
}

// Who has the role meanwhile is inside `next_deadline`, or inside the last look of a shutdown with the calls it makes.
bool core::await_role() noexcept {
  for (; !is_gone(); platform::yield()) {
    if (take_role()) return true;
    if (role_holder_.load(memory_order_relaxed) == platform::this_thread()) return false;
  }
  return false;
}

// --- Driven by the user ---------------------------------------------------------------------------------------------

run_answer core::run_due() noexcept {
  if (own_thread_ || clocks_.is_manual() || is_gone()) return {run_answer::kind::busy, 0};
  if (!take_role()) {
    call_frame::check_not_left();
    return {run_answer::kind::busy, 0};
  }
  share();  // A callback may destroy the service.
  driving_thread_.store(platform::this_thread(), memory_order_relaxed);
  awake();
  const bool polled = poll_ready_.load(memory_order_acquire);  // P2 <- P3.
  if (polled && poll_.drain()) notice_clock_step(step_since_last_look());
  const std::size_t count = look(SIZE_MAX);
  if (!is_gone()) {  // A fork child shares the descriptors with the parent, whose alarms they are.
    const bool missed_none = publish_sleep();
    if (polled && !missed_none) poll_.notify();
    if (polled) set_alarms();
  }
  leave_role();
  unshare();
  return {run_answer::kind::ran, count};
}

std::int64_t core::next_deadline_ns() noexcept {
  if (is_gone()) return ns_max;
  // Inside a callback or beside a running look the answer is "now": look again.
  if (own_thread_ || !take_role()) return own_thread_ ? ns_max : now_ns(clock_id::steady);
  driving_thread_.store(platform::this_thread(), memory_order_relaxed);
  do {
    file_inbox();
  } while (!publish_sleep());
  // Read before the distances are: the answer may be early by what passes in between, but never late.
  const std::int64_t now = now_ns(clock_id::steady);
  const std::int64_t wait_ns = until_next_ns(7);
  if (poll_ready_.load(memory_order_acquire)) set_alarms();  // P2 <- P3.
  leave_role();
  return wait_ns == ns_max ? ns_max : add_ns(now, wait_ns);
}

// Whether any firing is pending, other than for ever.
bool core::has_deadline() const noexcept {
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (state::look_at(registry_.hot(i).state.load(memory_order_relaxed)) != never) return true;  // T13: only whether.
  }
  return false;
}

// How long until the first token on any of these clocks; ns_max when there is none.
std::int64_t core::until_next_ns(unsigned clock_set) noexcept {
  std::int64_t least = ns_max;
  for (const clock_id clock : every_clock) {
    record_wheel* tokens = wheel_of(clock);
    if (tokens == nullptr || (clock_set >> static_cast<unsigned>(clock) & 1) == 0) continue;
    const std::uint64_t next = tokens->next();
    if (next == record_wheel::nothing) continue;
    const std::int64_t at = to_ns(instant_of(next));
    const std::int64_t now = now_ns(clock);
    std::int64_t wait = 0;
    if (at > now && __builtin_sub_overflow(at, now, &wait)) wait = ns_max;
    if (wait < least) least = wait;
  }
  return least;
}

int core::descriptor() noexcept {
  if (own_thread_ || clocks_.is_manual() || is_gone()) return -1;
  if (poll_ready_.load(memory_order_acquire)) return poll_.descriptor();  // P2 <- P3.
  lock_guard guard(wheel_lock_);
  if (poll_.open() != 0) return -1;
  poll_ready_.store(true, memory_order_release);      // P3 -> P2.
  sleeps_in_poll_.store(true, memory_order_release);  // P1: armers from here on write the descriptor.
  poll_.notify();                                     // The first poll looks once.
  return poll_.descriptor();
}

void core::wait_pool_idle() noexcept {
  if (pool_ == nullptr || pool_->has_self()) return;
  order_wait_for_all(ns_max, "a move of the manual clock");
  pool_->wait_idle();
}

std::string core::name_of_earliest() {
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t s = registry_.hot(i).state.load(memory_order_acquire);  // T13 <- T1.
    if (state::look_at(s) == never) continue;  // Perhaps not born yet: the cold part is its creator's.
    if (!state::is_due(s, to_instant_rounded_down(now_ns(registry_.cold(i).clock)))) continue;
    const timer_name name = describe(i);
    return name.name + " created at " + name.place.file_name() + ":" + std::to_string(name.place.line());
  }
  return "a timer that is gone";
}

}  // namespace detent::inline v0::detail
