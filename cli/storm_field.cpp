#include "storm_field.hpp"

#include <thread>
#include <utility>

namespace detent::cli {

namespace {

constexpr std::size_t number_of(clock_kind clock) noexcept { return static_cast<std::size_t>(clock); }

executor_habits draw_habits(dice& d) noexcept {
  executor_habits h;
  h.threads = d.below(4);
  h.newest_first = d.chance(50);
  if (d.chance(40)) h.refuse_every = 3 + d.below(20);
  else if (d.chance(30)) h.throw_every = 3 + d.below(20);
  return h;
}

}  // namespace

clock_kind draw_clock(dice& d) noexcept {
  const std::uint32_t n = d.below(10);
  return n < 7 ? clock_kind::steady : n < 9 ? clock_kind::boottime : clock_kind::system;
}

std::int64_t clock_now_ns(clock_kind clock) noexcept {
  switch (clock) {
    case clock_kind::steady: return steady_clock::now().time_since_epoch().count();
    case clock_kind::boottime: return boottime_clock::now().time_since_epoch().count();
    case clock_kind::system: break;
  }
  return std::chrono::duration_cast<duration>(system_clock::now().time_since_epoch()).count();
}

storm_field::storm_field(const field_lots& lots)
    : lots_(lots), items_(new storm_item[item_limit]), group_accounts_(new storm_group[group_limit]) {
  for (const clock_kind clock : {clock_kind::steady, clock_kind::boottime, clock_kind::system}) {
    began_ns_[number_of(clock)] = clock_now_ns(clock) - 1'000'000;
  }
  dice d(lots.seed);
  for (std::size_t i = 0; i < lots.services; ++i) {
    services_[i] = std::make_unique<timer_service>(options_for(i, d));
  }
  for (std::size_t i = 0; i < group_count; ++i) {
    group_slot& g = groups_[i];
    g.service = i % lots.services;
    const bool serial = i == 2;
    const group_options options{"storm", serial ? group_order::serial : group_order::concurrent};
    g.account = new_group_account(serial);
    // A child, where the end of every member is told: its parent's close closes it too.
    const bool child = i == 3 && lots.exact && lots.services == 1;
    g.group = child ? std::make_unique<timer_group>(*groups_[0].group, options)
                    : std::make_unique<timer_group>(*services_[g.service], options);
  }
}

storm_field::~storm_field() = default;

service_options storm_field::options_for(std::size_t number, dice& d) {
  service_options o;
  o.name = number == 0 ? "storm-a" : "storm-b";
  const std::uint32_t lot = lots_.executor == storm_executor::driver ? 0
                            : lots_.executor == storm_executor::pool ? 1
                                                                     : d.below(4);
  if (lot == 0) {
    o.executor = on_driver{};
  } else if (lot <= 2) {
    o.executor = pool{1 + d.below(4)};
  } else {
    executors_.push_back(std::make_unique<habitual_executor>(draw_habits(d)));
    refusing_executor_ = refusing_executor_ || executors_.back()->refuses();
    o.executor = *executors_.back();
  }
  o.on_error = [this](const callback_error& error) {
    if (error.kind == callback_error::what::threw) count(counts_.threw_told);
    else if (error.timer.name == "shot") count(counts_.shots_dropped);
  };
  o.on_deadlock = [this](const deadlock_report& report) {
    count(counts_.cycles_refused);
    if (!report.refused) violate("a destructor would have waited for ever (G08)", 0);
    else if (lots_.ordered) violate("a wait was refused although the waits of this round are ordered (G08)", 0);
  };
  return o;
}

std::uint32_t storm_field::ticks_down(clock_kind clock, std::int64_t at_ns) const noexcept {
  const std::int64_t since = at_ns - began_ns_[number_of(clock)];
  return since <= 0 ? 0 : static_cast<std::uint32_t>(since / 64);
}

storm_group* storm_field::new_group_account(bool serial) {
  const std::uint32_t n = group_account_count_.fetch_add(1, std::memory_order_relaxed);
  if (n >= group_limit) return nullptr;
  group_accounts_[n].serial = serial;
  return &group_accounts_[n];
}

// Null when the round has had its share of timers.
storm_item* storm_field::new_item(dice& d, std::size_t service) {
  const std::uint32_t n = item_count_.fetch_add(1, std::memory_order_relaxed);
  if (n >= item_limit) return nullptr;
  storm_item& item = items_[n];
  item.field = this;
  item.key = n + 1;
  item.hash = hash_of(item.key);
  item.service = services_[service].get();
  const std::uint32_t use = d.below(10);
  item.use = use < 6 ? item_use::shot : use < 8 ? item_use::series : item_use::mixed;
  // Dropped firings are told by name, which has to say whether a one-shot ended by it.
  if (refusing_executor_ && item.use == item_use::mixed) item.use = item_use::shot;
  item.clock = lots_.only_steady ? clock_kind::steady : draw_clock(d);
  item.exact_deadlines = item.use != item_use::shot || !d.chance(10);
  return &item;
}

any_timer storm_field::make(storm_item& item, timer_group* group, dice& d) {
  timer_options options;
  if (refusing_executor_) options.name = item.use == item_use::shot ? "shot" : "series";
  if (!item.exact_deadlines) options.tolerance = duration(1000 + d.below(2'000'000));
  const detail::home where = group != nullptr ? detail::home(*group) : detail::home(*item.service);
  any_timer made;
  made.clock = item.clock;
  made.visit([&](auto& handle) {
    using type = std::decay_t<decltype(handle)>;
    if (item.key % 3 == 0) handle = type(where, options, cargo_heavy(item));
    else handle = type(where, options, cargo_core(item));
    item.id.store(handle.id().value(), std::memory_order_relaxed);
  });
  item.created.store(true, std::memory_order_release);
  return made;
}

// Requires: exclusive access to an empty slot, or to a live one, whose timer is then assigned over.
void storm_field::fill(timer_slot& slot, dice& d) {
  const std::size_t service = d.below(lots_.services);
  storm_item* item = new_item(d, service);
  if (item == nullptr) return;
  any_timer made;
  group_slot& g = groups_[d.below(group_count)];
  if (d.chance(50) && g.service == service && g.lock.try_lock_shared()) {
    if (g.group != nullptr && g.account != nullptr) {
      item->group = g.account;
      made = make(*item, g.group.get(), d);
      storm_item* first = g.account->members.load(std::memory_order_relaxed);
      do item->next_member = first;
      while (!g.account->members.compare_exchange_weak(first, item, std::memory_order_acq_rel));
    }
    g.lock.unlock_shared();
  }
  if (item->group == nullptr) made = make(*item, nullptr, d);
  item->slot.store(static_cast<std::uint32_t>(&slot - slots_.data()), std::memory_order_relaxed);
  slot.key.store(static_cast<std::uint32_t>(item->key), std::memory_order_release);
  storm_item* before = std::exchange(slot.item, item);
  if (before == nullptr) {
    count(counts_.operations);
    slot.handle = std::move(made);
    return;
  }
  retire(std::exchange(slot.handle, std::move(made)), *before, false);
}

void storm_field::start_by_id(dice& d) {
  storm_item* item = new_item(d, d.below(lots_.services));
  if (item == nullptr) return;
  item->id_only = true;
  item->clock = clock_kind::steady;
  item->exact_deadlines = true;
  timer_options options;
  if (refusing_executor_) options.name = item->use == item_use::series ? "series" : "shot";
  timer_id id;
  if (item->use == item_use::series) {
    id = item->service->every(std::chrono::microseconds(200 + d.below(5000)), cargo_core(*item), {}, options);
  } else {
    item->use = item_use::shot;
    const std::int64_t at_ns =
        ((clock_now_ns(clock_kind::steady) + d.below(3'000'000)) & ~std::int64_t{255}) | shot_mark;
    id = item->service->once(steady_clock::time_point(duration(at_ns)), cargo_core(*item), options);
  }
  if (id) item->armings.fetch_add(1, std::memory_order_relaxed);
  item->id.store(id.value(), std::memory_order_relaxed);
  item->created.store(true, std::memory_order_release);
}

// --- The end of a round ---------------------------------------------------------------------------------------------

// Nobody comes to the rescue here: no arm, no cancel, no close; what is due soon has to fire by itself (G22).
void storm_field::check_quiet(storm_ledger& ledger) {
  calm();
  const auto give_up = steady_clock::now() + std::chrono::seconds(20);
  for (bool busy = true; busy;) {
    // What a callback did before it was calm enters the account at its end; no other has begun to act since.
    busy = acting_.load(std::memory_order_seq_cst) != 0;
    for (std::size_t i = 0; i < lots_.services; ++i) {
      for (const timer_info& t : services_[i]->snapshot()) {
        const bool soon = t.due_known && t.period.count() == 0 && t.due_in < std::chrono::seconds(60);
        if (soon || (t.state == timer_state::running && t.period.count() == 0)) busy = true;
        if (steady_clock::now() > give_up && soon) {
          violate(t.state == timer_state::queued ? "a timer that is due was queued and is not called (G22)"
                                                 : "a timer that is due does not fire (G22)",
                  t.id.value());
        }
      }
    }
    if (steady_clock::now() > give_up || is_violated()) return;
    if (busy) std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  check_items(ledger, false);
}

void storm_field::check_items(storm_ledger& ledger, bool at_end) {
  const std::uint32_t made = std::min<std::uint32_t>(item_count_.load(std::memory_order_relaxed), item_limit);
  for (std::uint32_t i = 0; i < made; ++i) {
    storm_item& item = items_[i];
    const std::int64_t left = item.left();
    const bool alone = !refusing_executor_ && !(item.group != nullptr && lots_.group_verbs);
    bool pending = false;
    if (!at_end) {
      const timer_id id = item.timer();
      const timer_state now = id ? item.service->status(id) : timer_state::closed;
      pending = now == timer_state::pending || now == timer_state::queued ||
                (now == timer_state::running && item.use != item_use::shot && left == 1);
      // A running series may be between its ticks, or at the end of its last one.
      if (pending) ++ledger.pending;
    } else {
      if (item.in_call.load(std::memory_order_relaxed) != 0) violate("a call is in progress after the end", item.key);
      if (item.destroyed.load(std::memory_order_relaxed) != 1) violate("a callable was not destroyed", item.key);
    }
    if (!alone) continue;
    if (left < 0 || left > 1) violate("the ends of a timer's armings do not add up (G02)", item.key);
    else if (!at_end && pending && left != 1) violate("a firing is pending that nobody armed (G02)", item.key);
    else if (!at_end && !pending && left == 1 && item.unseen.load(std::memory_order_relaxed) == 0)
      violate("an arming has vanished (G02)", item.key);
    else if (left == 1 && item.close_answered.load(std::memory_order_relaxed))
      violate("a close answered that nothing was pending, but something was (G02)", item.key);
  }
}

void storm_field::destroy_handles() {
  for (timer_slot& slot : slots_) {
    const std::unique_lock guard(slot.lock);
    if (storm_item* item = std::exchange(slot.item, nullptr)) retire(std::move(slot.handle), *item, false);
  }
  for (group_slot& g : groups_) {
    const std::unique_lock guard(g.lock);
    if (g.group == nullptr) continue;
    count(counts_.group_closed, g.group->close());
    g.group.reset();
  }
}

void storm_field::shut_down(shutdown_policy policy) {
  for (std::size_t i = 0; i < lots_.services; ++i) {
    // Creations go on beside it; the destruction of a callable that was born too late counts as a call for a moment.
    static_cast<void>(services_[i]->shutdown(policy));
  }
  shut_down_.store(true, std::memory_order_relaxed);
}

void storm_field::destroy_services() {
  calm();
  for (std::size_t i = 0; i < lots_.services; ++i) {
    const shutdown_report report = services_[i]->shutdown();
    if (!report.complete) {
      violate("a shutdown without limit left calls running (G19)", report.still_running.size(),
              report.still_running.empty() ? nullptr : report.still_running[0].place.file_name());
    }
    shut_down_count_ += report.cancelled;
  }
  for (std::size_t i = 0; i < lots_.services; ++i) {
    const service_counters told = services_[i]->counters();
    early_ += told.early;
    rescues_ += told.rescues;
    services_[i].reset();
  }
  check_outliving();
}

// G20: handles outlive their service, and their verbs answer so.
void storm_field::check_outliving() {
  for (timer_slot& slot : slots_) {
    if (slot.item == nullptr) continue;
    slot.handle.visit([&](auto& handle) {
      const arm_result armed = handle.arm_after(std::chrono::seconds(0));
      if (armed != arm_result::shut_down && armed != arm_result::closed) {
        violate("a timer could be armed after its service had gone (G20)", slot.item->key);
      }
    });
  }
}

void storm_field::settle(storm_report& report) {
  destroy_handles();
  executors_.clear();
  storm_ledger& sum = report.ledger;
  check_items(sum, true);
  const auto read = [](const auto& n) -> std::uint64_t { return n.load(std::memory_order_relaxed); };
  const std::uint32_t made = std::min<std::uint32_t>(item_count_.load(std::memory_order_relaxed), item_limit);
  storm_ledger mine;
  std::uint64_t may_be_unseen = 0;
  for (std::uint32_t i = 0; i < made; ++i) {
    const storm_item& item = items_[i];
    mine.armings += read(item.armings);
    mine.fired += read(item.fired);
    mine.replaced += read(item.replaced);
    mine.cancelled += read(item.cancelled);
    mine.closed += read(item.closed);
    may_be_unseen += read(item.unseen) != 0 ? 1U : 0U;
    report.calls += read(item.calls);
  }
  mine.cancelled += read(counts_.group_cancelled);
  mine.closed += read(counts_.group_closed);
  mine.dropped = read(counts_.shots_dropped);
  mine.shut_down = shut_down_count_;
  // What no answer told has to be what verbs without an answer may have ended.
  if (mine.ends() > mine.armings) violate("more ends than armings (G02)", mine.ends() - mine.armings);
  else mine.unseen = mine.armings - mine.ends();
  if (mine.unseen > may_be_unseen) violate("armings have vanished (G02)", mine.unseen - may_be_unseen);
  if (early_ != 0) violate("the service counted early firings (G01)", early_);
  if (rescues_ != 0) violate("a sleeper had to be rescued: a wake-up was lost (G22)", rescues_);
  if (read(counts_.threw) != read(counts_.threw_told)) violate("an exception did not reach the handler (G12)", 0);
  if (read(counts_.then_accepted) != read(counts_.then_destroyed)) violate("a continuation was not destroyed (G09)", 0);
  if (!refusing_executor_ && read(counts_.then_accepted) != read(counts_.then_run)) {
    violate("a continuation did not run exactly once (G09)", read(counts_.then_accepted) - read(counts_.then_run));
  }
  sum.armings += mine.armings, sum.fired += mine.fired, sum.replaced += mine.replaced, sum.cancelled += mine.cancelled;
  sum.closed += mine.closed, sum.unseen += mine.unseen, sum.shut_down += mine.shut_down, sum.dropped += mine.dropped;
  report.timers += made;
  report.operations += read(counts_.operations);
  report.continuations += read(counts_.then_run);
  report.early += early_;
  report.rescues += rescues_;
  storm_races& races = report.races;
  races.cancel_against_call += read(counts_.cancel_against_call);
  races.close_against_call += read(counts_.close_against_call);
  races.arm_against_call += read(counts_.arm_against_call);
  races.wait_against_call += read(counts_.wait_against_call);
  races.refused_by_close += read(counts_.refused_by_close);
  races.effective += read(counts_.effective);
  races.found_closed += read(counts_.found_closed);
  races.verb_against_verb += read(counts_.verb_against_verb);
  races.stale_id += read(counts_.stale_id);
  races.inside_callback += read(counts_.inside_callback);
  races.cycles_refused += read(counts_.cycles_refused);
}

}  // namespace detent::cli
