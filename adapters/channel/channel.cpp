// channel: the queue of one channel, and select.
#include "port.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>
#include <vector>

namespace detent::inline v0::detail {

namespace {

using steady = std::chrono::steady_clock;

// Who is blocked looks so long, and so often, before it sleeps: about as long as being woken takes.
constexpr std::chrono::microseconds look_limit{10};
constexpr std::chrono::nanoseconds look_interval{300};

// Receivers wait only while nothing is kept, senders only while there is no room.
class queue_port final : public port {
 public:
  queue_port(std::size_t capacity, void (*discard)(channel_word) noexcept) : kept_(capacity), discard_(discard) {}

  ~queue_port() override {
    while (count_ > 0) discard_(pop_locked());  // Nobody else is left.
  }

  case_end poll_locked(case_entry& entry) noexcept override { return entry.sends ? send(entry) : receive(entry); }

  std::size_t capacity() const noexcept { return kept_.size(); }
  std::size_t size_locked() const noexcept { return count_; }

 private:
  case_end send(case_entry& entry) noexcept {
    if (closed_) return case_end::closed;
    if (receivers_.claim_first(case_end::done, entry.word)) return case_end::done;
    if (count_ == kept_.size()) return case_end::nothing_ready;
    push_locked(entry.word);
    return case_end::done;
  }

  case_end receive(case_entry& entry) noexcept {
    if (count_ > 0) {
      entry.word = pop_locked();
      channel_word next = 0;
      if (senders_.claim_first(case_end::done, 0, &next)) push_locked(next);  // There is room for one more.
      return case_end::done;
    }
    if (senders_.claim_first(case_end::done, 0, &entry.word)) return case_end::done;
    return closed_ ? case_end::closed : case_end::nothing_ready;
  }

  void push_locked(channel_word word) noexcept {
    std::size_t at = first_ + count_++;
    if (at >= kept_.size()) at -= kept_.size();
    kept_[at] = word;
  }

  channel_word pop_locked() noexcept {
    const channel_word word = kept_[first_];
    if (++first_ == kept_.size()) first_ = 0;
    --count_;
    return word;
  }

  std::vector<channel_word> kept_;  // its size is constant, its content under lock_
  std::size_t first_ = 0;           // under lock_
  std::size_t count_ = 0;           // under lock_
  void (*const discard_)(channel_word) noexcept;
};

// Which case of several ready ones is done is left to chance. One generator for each thread; what it starts from
// differs between threads and between runs.
std::uint32_t random_below(std::uint32_t count) noexcept {
  thread_local std::uint64_t state = 0;
  if (state == 0) {
    state =
        reinterpret_cast<std::uintptr_t>(&state) ^ static_cast<std::uint64_t>(steady::now().time_since_epoch().count());
  }
  state += 0x9e3779b97f4a7c15U;
  std::uint64_t mixed = (state ^ (state >> 30U)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(static_cast<std::uint32_t>(mixed >> 32U)) * count) >>
                                    32U);
}

// The cases of one select that have a channel, in the order in which locks are taken and in the one in which they are
// tried. The indices live in the entries: select allocates nothing.
class case_list {
 public:
  case_list(case_entry* cases, std::size_t count) noexcept : cases_(cases) {
    for (std::size_t i = 0; i < count; ++i) {
      cases[i].index = i;
      if (cases[i].at == nullptr || *cases[i].at == nullptr) continue;
      insert(static_cast<std::uint16_t>(i));
    }
  }

  std::size_t size() const noexcept { return count_; }
  case_entry& by_address(std::size_t k) const noexcept { return cases_[cases_[k].lock_index]; }

  void lock_all() const noexcept {
    const port* held = nullptr;
    for (std::size_t k = 0; k < count_; ++k) {
      port* const next = by_address(k).at->get();
      if (next != held) next->lock().lock();
      held = next;
    }
  }

  void unlock_all() const noexcept {
    const port* freed = nullptr;
    for (std::size_t k = 0; k < count_; ++k) {
      port* const next = by_address(k).at->get();
      if (next == freed) continue;
      freed = next;
      next->lock().unlock();
    }
  }

  // The first case that can be done, in random order: every one of those is as likely.
  select_answer poll_locked() const noexcept {
    for (std::size_t k = 0; k < count_; ++k) cases_[k].poll_index = cases_[k].lock_index;
    for (std::size_t k = 0; k < count_; ++k) {
      const std::size_t left = count_ - k;
      if (left > 1)
        std::swap(cases_[k].poll_index, cases_[k + random_below(static_cast<std::uint32_t>(left))].poll_index);
      case_entry& tried = cases_[cases_[k].poll_index];
      const case_end end = (*tried.at)->poll_locked(tried);
      if (end != case_end::nothing_ready) return {tried.index, end};
    }
    return {nothing_to_select, case_end::nothing_ready};
  }

 private:
  void insert(std::uint16_t index) noexcept {
    const std::less<const port*> before;
    const port* const mine = cases_[index].at->get();
    std::size_t k = count_++;
    for (; k > 0 && before(mine, by_address(k - 1).at->get()); --k) cases_[k].lock_index = cases_[k - 1].lock_index;
    cases_[k].lock_index = index;
  }

  case_entry* cases_;
  std::size_t count_ = 0;
};

// Nothing will ever come: waits for the limit or the token alone.
select_answer select_nothing(const patience& until) noexcept {
  if (!until.waits) return {nothing_to_select, case_end::nothing_ready};
  if (until.limit_ns == ns_max && until.stop_requested == nullptr) return {nothing_to_select, case_end::impossible};
  waiter self;
  return self.wait(until);
}

}  // namespace

select_answer waiter::wait(const patience& until) noexcept {
  const steady::time_point begin = steady::now();
  const steady::time_point end{duration(add_ns(epoch_ns(begin), until.limit_ns))};
  std::unique_lock guard(lock_);
  // A partner that runs on another CPU answers sooner than a sleep takes. It is not waited for by yielding: that gives
  // a whole turn away where others want the CPU, and who sleeps is woken ahead of them.
  for (steady::time_point now = begin; !decided_ && now < std::min(end, begin + look_limit);) {
    guard.unlock();
    const steady::time_point next = now + look_interval;
    while ((now = steady::now()) < next) continue;
    guard.lock();
  }
  while (!decided_) {
    if (until.stop_requested != nullptr) {
      guard.unlock();  // The token's own code runs without our lock.
      const bool asked = until.stop_requested(until.token);
      guard.lock();
      if (decided_ || (asked && give_up_locked(case_end::stopped))) break;
    }
    const steady::time_point now = steady::now();
    if (now >= end && give_up_locked(case_end::timed_out)) break;
    if (until.stop_requested != nullptr) {
      moved_.wait_until(guard, end - now < stop_interval ? end : now + stop_interval);
    } else if (until.limit_ns == ns_max) {
      moved_.wait(guard);
    } else {
      moved_.wait_until(guard, end);
    }
  }
  return answer_;
}

// A running select holds the locks of all its ports at once, so it is a party to nothing but what it finds: it claims
// one blocked select with one step, and two selects can never half agree with each other.
select_answer select_words(case_entry* cases, std::size_t count, const patience& until) noexcept {
  const case_list all(cases, count);
  if (all.size() == 0) return select_nothing(until);
  all.lock_all();
  select_answer answer = all.poll_locked();
  if (answer.end != case_end::nothing_ready || !until.waits) {
    all.unlock_all();
    return answer;
  }
  waiter self;
  for (std::size_t k = 0; k < all.size(); ++k) {
    case_entry& mine = all.by_address(k);
    mine.kept = *mine.at;  // The handle may be destroyed while this is blocked.
    mine.blocked = &self;
    mine.kept->join_locked(mine);
  }
  all.unlock_all();
  answer = self.wait(until);
  for (std::size_t k = 0; k < all.size(); ++k) {
    case_entry& mine = all.by_address(k);
    const std::lock_guard guard(mine.kept->lock());
    mine.kept->leave_locked(mine);
  }
  // The handles that this call held are dropped by the entries' destructors, with no lock held.
  return answer;
}

port_share make_channel(std::size_t capacity, void (*discard)(channel_word) noexcept) {
  return std::make_shared<queue_port>(capacity, discard);
}

close_result close_port(port& at) noexcept {
  const std::lock_guard guard(at.lock());
  return at.close_locked() ? close_result::closed : close_result::already_closed;
}

// Only channels are asked, never timers.
std::size_t size_of(const port& of) noexcept {
  auto& queue = const_cast<queue_port&>(static_cast<const queue_port&>(of));
  const std::lock_guard guard(queue.lock());
  return queue.size_locked();
}

std::size_t capacity_of(const port& of) noexcept { return static_cast<const queue_port&>(of).capacity(); }

}  // namespace detent::inline v0::detail
