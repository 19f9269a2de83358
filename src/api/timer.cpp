#include "engine/engine.hpp"

#include <detent/group.hpp>
#include <detent/service.hpp>
#include <detent/timer.hpp>

#include <cerrno>
#include <new>
#include <stdexcept>

namespace detent::inline v0::detail {

namespace {

[[noreturn]] void refuse_creation(std::error_code error) {
#if DETENT_EXCEPTIONS
  if (error == std::errc::not_enough_memory) throw std::bad_alloc();
  throw std::system_error(error, "detent: create a timer");
#else
  std::fprintf(stderr, "detent: a timer could not be created: error %d; use the form with std::error_code\n",
               error.value());
  std::abort();
#endif
}

}  // namespace

// --- creation -------------------------------------------------------------------------------------------------------

void creation::reserve(const home& where, clock_kind clock, const timer_options& options, std::source_location place) {
  index_ = no_index;
  // In a fork child, or of a group moved from: the handle stays empty and answers `closed`.
  if (where.core_ == nullptr || where.core_->is_gone()) return;
  std::error_code error;
  index_ = where.core_->reserve(static_cast<group_record*>(where.group_), clock, options, place, tenure::handle, error);
  if (index_ == no_index) refuse_creation(error);
  core_ = where.core_;
}

creation::creation(const home& where, clock_kind clock, const timer_options& options, std::source_location place) {
  reserve(where, clock, options, place);
}

creation::creation(const home& where, clock_kind clock, const timer_options& options, std::source_location place,
                   std::error_code& error) noexcept
    : index_(no_index) {
  if (where.core_ == nullptr || where.core_->is_gone()) return;
  index_ = where.core_->reserve(static_cast<group_record*>(where.group_), clock, options, place, tenure::handle, error);
  if (index_ != no_index) core_ = where.core_;
}

creation::~creation() {
  if (core_ != nullptr && index_ != no_index) core_->give_up(index_);
}

void* creation::storage() const noexcept { return core_->storage_of(index_); }

timer_id creation::open(const callback_ops& ops, bool owned) noexcept {
  const std::uint32_t index = std::exchange(index_, no_index);
  if (owned) core_->share();
  return core_->open(index, ops, owned);
}

bool is_left_behind(const core* owner) noexcept { return owner->is_gone(); }

bool reserve_continuation(core* owner, void* place) noexcept {
  std::error_code error;
  const std::uint32_t index = owner->reserve(nullptr, clock_kind::steady, {}, {}, tenure::continuation, error);
  if (index == no_index) return false;
  ::new (place) creation(owner, index);
  return true;
}

void commit_continuation(core* owner, timer_id target, timer_id continuation, bool owned) noexcept {
  // The id of no timer must not be taken for a handle.
  const named absent{no_index, 1};
  owner->continue_with(owned    ? named{target.index, 0}
                       : target ? named{target.index, target.generation}
                                : absent,
                       continuation);
}

// --- timer_base -----------------------------------------------------------------------------------------------------

namespace {

constexpr named by_handle(timer_id id) noexcept { return {id.index, 0}; }

// For verbs that wait: the handle may be destroyed meanwhile, and the record have its next tenant.
constexpr named by_id(timer_id id) noexcept { return {id.index, id.generation}; }

}  // namespace

arm_result timer_base::arm_at_ns(std::int64_t at_ns) noexcept {
  return core_ == nullptr ? arm_result::closed : core_->arm_by_handle(id_.index, at_ns);
}

arm_result timer_base::arm_after_ns(clock_kind kind, std::int64_t delay_ns) noexcept {
  if (core_ == nullptr) return arm_result::closed;
  return core_->arm_after(by_handle(id_), static_cast<clock_id>(kind), delay_ns);
}

arm_result timer_base::arm_every_ns(std::int64_t period_ns, const series_options& options) noexcept {
  return core_ == nullptr ? arm_result::closed : core_->arm_every(by_handle(id_), std::nullopt, period_ns, options);
}

arm_result timer_base::arm_every_at_ns(std::int64_t first_at_ns, std::int64_t period_ns,
                                       const series_options& options) noexcept {
  return core_ == nullptr ? arm_result::closed : core_->arm_every(by_handle(id_), first_at_ns, period_ns, options);
}

cancel_result timer_base::cancel() noexcept {
  return core_ == nullptr ? cancel_result::closed : core_->cancel_by_handle(id_.index);
}

cancel_answer timer_base::cancel_and_wait() noexcept { return cancel_and_wait_ns(ns_max); }

cancel_answer timer_base::cancel_and_wait_ns(std::int64_t limit_ns) noexcept {
  if (core_ == nullptr) return {cancel_result::closed, wait_result::quiet};
  return core_->cancel_and_wait(by_handle(id_), limit_ns);
}

cancel_result timer_base::close() noexcept {
  return core_ == nullptr ? cancel_result::closed : core_->close(by_handle(id_));
}

cancel_answer timer_base::close_and_wait() noexcept { return close_and_wait_ns(ns_max); }

cancel_answer timer_base::close_and_wait_ns(std::int64_t limit_ns) noexcept {
  if (core_ == nullptr) return {cancel_result::closed, wait_result::quiet};
  return core_->close_and_wait(by_id(id_), limit_ns, true);
}

stop_result timer_base::stop() noexcept { return core_ == nullptr ? stop_result::idle : core_->stop(by_handle(id_)); }

wait_result timer_base::wait_ns(std::int64_t limit_ns, wait_progress* progress) noexcept {
  return core_ == nullptr ? wait_result::quiet : core_->wait(by_id(id_), limit_ns, progress);
}

timer_state timer_base::status() const noexcept {
  return core_ == nullptr ? timer_state::closed : core_->status(by_handle(id_));
}

std::string timer_base::name() const {
  const char* name = core_ == nullptr ? nullptr : core_->cold(id_.index).name;
  return name == nullptr ? std::string() : std::string(name);
}

duration timer_base::tolerance() const noexcept {
  return duration(core_ == nullptr ? 0 : core_->cold(id_.index).tolerance_ns);
}

std::source_location timer_base::place() const noexcept {
  return core_ == nullptr ? std::source_location() : core_->cold(id_.index).place;
}

void timer_base::destroy() noexcept {
  // The handle is only read: until the wait is over the callback may still use it, to arm itself again for instance.
  core* owner = core_;
  owner->destroy(id_.index);
  owner->unshare();
}

}  // namespace detent::inline v0::detail

namespace detent::inline v0 {

// --- firing, stop_token, task ---------------------------------------------------------------------------------------

bool stop_token::stop_requested() const noexcept { return detail::core::is_stop_asked(*frame_); }

timer_id firing::id() const noexcept { return frame_->owner->id_of(frame_->key.index); }

void firing::detach() noexcept { frame_->owner->detach_call(*frame_); }

void firing::close() noexcept { frame_->owner->close_from_call(*frame_); }

task& task::operator=(task&& other) noexcept {
  if (this != &other) {
    task old(std::move(*this));
    core_ = std::exchange(other.core_, nullptr);
    index_ = other.index_;
  }
  return *this;
}

void task::operator()() noexcept {
  detail::core* owner = std::exchange(core_, nullptr);
  if (owner == nullptr) return;
  owner->run_entry(index_);
  owner->unshare();
}

void task::drop() noexcept {
  detail::core* owner = std::exchange(core_, nullptr);
  owner->drop_entry(index_);
  owner->unshare();
}

boottime_clock::time_point boottime_clock::now() noexcept {
  return time_point(duration(detail::platform::read_clock_ns(detail::clock_id::boottime)));
}

}  // namespace detent::inline v0
