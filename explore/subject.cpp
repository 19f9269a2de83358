#include "explore/subject.hpp"

#include <chrono>
#include <utility>

namespace detent::explore {

namespace {

steady_clock::time_point at(std::int64_t ns) noexcept { return steady_clock::time_point(duration(ns)); }

service_options options_for(const executor_choice& executor) {
  service_options options;
  options.executor = executor;
  return options;
}

}  // namespace

// What the callable owns: destroyed once, never during a call, and by somebody who may.
struct subject::capture {
  explicit capture(subject* the_owner) : owner(the_owner), cell(new plain<int>(1)) {}
  capture(capture&& other) noexcept : owner(std::exchange(other.owner, nullptr)), cell(other.cell) {}
  capture(const capture&) = delete;
  capture& operator=(const capture&) = delete;
  ~capture() {
    if (owner == nullptr) return;
    check(!owner->in_call_, "the callable is destroyed while its call is in progress");
    ++owner->captures_destroyed_;
    static_cast<void>(owner->service_->cancel(owner->id_));  // A verb on its own timer is legal here, and takes a lock.
    delete cell;
  }
  void operator()(firing& now) {
    check(cell->read() == 1, "the callable is called after it was destroyed");
    owner->called(now);
    check(cell->read() == 1, "the callable was destroyed during its call");
  }
  subject* owner;
  plain<int>* cell;
};

subject::subject(const subject_options& how)
    : how_(how), service_(std::make_unique<timer_service>(options_for(how.executor))) {
  settle();
  if (how.in_serial_group) {
    group_options serial;
    serial.order = group_order::serial;
    group_.emplace(*service_, serial);
    timer_.emplace(*group_, capture(this));
  } else {
    timer_.emplace(*service_, capture(this));
  }
  id_ = timer_->id();
}

void subject::called(firing& now) {
  check(!in_call_, "two calls of one timer overlap");
  check(!is_quiet_for_ever_, "a call begins after a close that had answered quiet");
  in_call_ = true;
  ++fired_;
  const std::int64_t deadline_ns = now.deadline().time_since_epoch().count();
  const std::int64_t since_ns = deadline_ns - deadline_of(0, false);
  const bool far = since_ns >= far_ns;
  const auto slot = static_cast<int>((far ? since_ns - far_ns : since_ns) / 8);
  check(slot >= 0 && slot < slots, "a firing has a deadline that nobody asked for");
  check(now_ns() == (far ? deadline_ns : start_ns_), now_ns() < deadline_ns ? "a firing is early" : "a firing is late");
  check(written_before_arming_[slot].read() == slot + 1, "what was written before the arming is not seen in its call");
  written_by_calls_.write(written_by_calls_.read() + 1);
  check(written_by_calls_.read() == fired_, "what an earlier call wrote is not seen");
  pause();
  if (fired_ <= how_.rearms_itself) arm_in(slots - 1 - fired_, false);
  if (how_.closes_itself) now.close();
  check(written_by_calls_.read() == fired_, "another call wrote during this one");
  in_call_ = false;
}

void subject::arm_in(int slot, bool far) {
  written_before_arming_[slot].write(slot + 1);
  const auto when = at(deadline_of(slot, far));
  const arm_result found = how_.by_id ? service_->arm_at(id_, when) : timer_->arm_at(when);
  if (found == arm_result::armed) ++armed_;
}

void subject::note_withdrawn(cancel_result found) noexcept {
  if (found == cancel_result::cancelled || found == cancel_result::cancelled_running) ++withdrawn_;
}

// What every call did is to be seen, and none is in progress.
void subject::note_quiet() noexcept {
  check(!in_call_, "the answer was quiet, and a call is in progress");
  check(written_by_calls_.read() == fired_, "what the last call wrote is not seen after it is quiet");
}

void subject::cancel() {
  const cancel_result found = how_.by_id ? service_->cancel(id_) : timer_->cancel();
  note_withdrawn(found);
  if ((found == cancel_result::cancelled || found == cancel_result::idle) && !others_arm()) note_quiet();
}

void subject::close() {
  const cancel_answer found = how_.by_id ? service_->close_and_wait(id_) : timer_->close_and_wait();
  note_withdrawn(found.outcome);
  check(found.wait == wait_result::quiet, "a close from outside every callback did not answer quiet");
  // By the id of a timer that is gone, the wait is the destructor's.
  if (how_.by_id && found.outcome == cancel_result::closed) return;
  note_quiet();
  check(captures_destroyed_ == 1, "the captures live on after a close that answered quiet");
  is_quiet_for_ever_ = true;
}

void subject::destroy() {
  ++unseen_ends_;
  timer_.reset();
  note_quiet();
  check(captures_destroyed_ == 1, "the captures live on after the destructor");
  is_quiet_for_ever_ = true;
}

void subject::wait() {
  const wait_result found = how_.by_id ? service_->wait(id_) : timer_->wait();
  check(found == wait_result::quiet, "a wait from outside every callback did not answer quiet");
  if (!others_arm() && !how_.by_id) note_quiet();
}

void subject::shut_down() {
  const shutdown_report report = service_->shutdown();
  withdrawn_ +=
      static_cast<int>(report.cancelled) - std::exchange(shutdown_withdrew_, static_cast<int>(report.cancelled));
  check(report.complete, "a shutdown without a limit is not complete");
  note_quiet();
  is_quiet_for_ever_ = true;
}

void subject::perform(verb what, int party) {
  switch (what) {
    case verb::arm: arm_in(party, false); break;
    case verb::postpone: arm_in(party, true); break;
    case verb::cancel: cancel(); break;
    case verb::close: close(); break;
    case verb::destroy: destroy(); break;
    case verb::wait: wait(); break;
    case verb::fire: break;  // The driver's.
    case verb::shutdown: shut_down(); break;
  }
}

void subject::finish() {
  if (std::exchange(finished_, true)) return;
  sleep_until(start_ns_ + 2 * far_ns);
  settle();
  if (timer_.has_value()) {
    const timer_state left = timer_->status();
    check(left != timer_state::pending && left != timer_state::queued, "a firing is lost: nobody looks at it");
  }
  const int unseen = armed_ - fired_ - withdrawn_;
  check(unseen >= 0, "a firing ended twice");
  check(unseen <= unseen_ends_, "a firing has no end");
  timer_.reset();
  group_.reset();
  service_.reset();
  check(captures_destroyed_ == 1, "the captures are not destroyed exactly once");
  check(!in_call_, "a call is in progress after the service is gone");
}

namespace {

constexpr bool is_one_of(verb what, verb a, verb b) noexcept { return what == a || what == b; }

}  // namespace

void run_pair(verb first, verb second) {
  subject_options how;
  how.by_id = is_one_of(verb::destroy, first, second);
  if (first == verb::fire && second == verb::fire) {  // The end of one call beside the beginning of the next.
    how.executor = pool{2};
    how.rearms_itself = 1;
  }
  subject it(how);
  const auto arms = [](verb what) { return is_one_of(what, verb::arm, verb::postpone); };
  if (is_one_of(verb::fire, first, second)) it.begin_due();
  else if (!arms(first) || !arms(second)) it.begin_far();
  it.note_armers((arms(first) ? 1 : 0) + (arms(second) ? 1 : 0));
  if (second == verb::fire) {
    if (first == verb::fire) run_parties([] {});
    else run_parties([&] { it.perform(first, 0); });
  } else if (first == verb::fire) {
    run_parties([&] { it.perform(second, 1); });
  } else {
    run_parties([&] { it.perform(first, 0); }, [&] { it.perform(second, 1); });
  }
  it.finish();
}

}  // namespace detent::explore
