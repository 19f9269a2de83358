// port: what a select sees of a channel or of a timer: a lock, the calls that are blocked on it, and one step that may
// do a case.
//
// All of this is under mutexes; there is no atomic here. Lock order: ports by their address, then one waiter, which is
// a leaf. A timer's port calls the engine under its lock; the engine calls here with no lock of its own held.
#pragma once

#include <detent/channel.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

DETENT_BEGIN_NAMESPACE

namespace detail {

// One blocked select, on the stack of its thread. Whoever claims it first, the thread itself when it gives up included,
// has decided it: a claimed waiter is never claimed again, and its entries in other ports are dead.
class waiter {
 public:
  waiter() = default;
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  // Decides for `entry`, with `received` for it if it receives. False if it was decided before. Notifies under the
  // lock: the waiter is gone as soon as its thread sees the decision.
  bool claim(case_entry& entry, case_end end, channel_word received) noexcept {
    const std::lock_guard guard(lock_);
    if (decided_) return false;
    if (!entry.sends) entry.word = received;
    answer_ = {entry.index, end};
    decided_ = true;
    moved_.notify_one();
    return true;
  }

  // Blocks until somebody claims this, or gives up as `until` says.
  select_answer wait(const patience& until) noexcept;

 private:
  bool give_up_locked(case_end why) noexcept {
    answer_ = {nothing_to_select, why};
    return decided_ = true;
  }

  std::mutex lock_;
  std::condition_variable moved_;  // when decided
  bool decided_ = false;           // under lock_
  select_answer answer_{};         // under lock_
};

// Blocked calls in the order in which they came; under the port's lock.
class waiting_line {
 public:
  bool is_empty() const noexcept { return first_ == nullptr; }

  void add(case_entry& entry) noexcept {
    entry.before = last_;
    entry.after = nullptr;
    (last_ == nullptr ? first_ : last_->after) = &entry;
    last_ = &entry;
    entry.linked = true;
  }

  void remove(case_entry& entry) noexcept {
    (entry.before == nullptr ? first_ : entry.before->after) = entry.after;
    (entry.after == nullptr ? last_ : entry.after->before) = entry.before;
    entry.linked = false;
  }

  // Claims the first that is still to be had, and takes it out; with it go the dead ones before it. A sender's value is
  // in `word` afterwards.
  bool claim_first(case_end end, channel_word received, channel_word* word = nullptr) noexcept {
    while (first_ != nullptr) {
      case_entry& entry = *first_;
      const channel_word sent = entry.word;
      remove(entry);
      // From here on the entry lives only if this claims it, and then until the claim is seen.
      if (entry.blocked->claim(entry, end, received)) {
        if (word != nullptr) *word = sent;
        return true;
      }
    }
    return false;
  }

 private:
  case_entry* first_ = nullptr;
  case_entry* last_ = nullptr;
};

class port {
 public:
  port() = default;
  port(const port&) = delete;
  port& operator=(const port&) = delete;
  virtual ~port() = default;

  std::mutex& lock() noexcept { return lock_; }

  // Does the case if it can be done now, or if the channel is closed; `nothing_ready` otherwise.
  virtual case_end poll_locked(case_entry& entry) noexcept = 0;

  // A blocked call joins or leaves.
  void join_locked(case_entry& entry) noexcept {
    (entry.sends ? senders_ : receivers_).add(entry);
    line_changed_locked();
  }
  void leave_locked(case_entry& entry) noexcept {
    if (entry.linked) (entry.sends ? senders_ : receivers_).remove(entry);
    line_changed_locked();
  }

  bool close_locked() noexcept {
    if (closed_) return false;
    closed_ = true;
    while (receivers_.claim_first(case_end::closed, 0)) {
    }
    while (senders_.claim_first(case_end::closed, 0)) {
    }
    return true;
  }

 protected:
  virtual void line_changed_locked() noexcept {}

  std::mutex lock_;
  // All under lock_.
  waiting_line receivers_;
  waiting_line senders_;
  bool closed_ = false;
};

}  // namespace detail

DETENT_END_NAMESPACE
