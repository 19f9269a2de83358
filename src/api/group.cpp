#include "engine/engine.hpp"

#include <detent/group.hpp>

namespace detent::inline v0 {

namespace detail {

home::home(timer_service& service) noexcept : core_(service.core_), group_(nullptr) {}

home::home(timer_group& group) noexcept
    : core_(group.record_ == nullptr ? nullptr : group.record_->owner), group_(group.record_) {}

bool is_in_callback_of(timer_group& group) noexcept {
  const home where(group);
  return where.group() != nullptr && core::is_in_call_of(static_cast<const group_record*>(where.group()));
}

destructor_wait::destructor_wait(timer_service& told, wait_target target) noexcept {
  home(told).owner()->enter_of_destructor(entered_, target);
}

}  // namespace detail

using detail::core;

timer_group::timer_group(timer_service& service, const group_options& options) {
  const detail::home where(service);
  record_ = where.owner()->make_group(nullptr, options);
}

timer_group::timer_group(timer_group& parent, const group_options& options)
    : record_(parent.record_ == nullptr ? nullptr : parent.record_->owner->make_group(parent.record_, options)) {}

std::size_t timer_group::cancel() noexcept { return record_ == nullptr ? 0 : core::cancel_group(record_); }

std::size_t timer_group::close() noexcept { return record_ == nullptr ? 0 : core::close_group(record_); }

std::size_t timer_group::stop() noexcept { return record_ == nullptr ? 0 : core::stop_group(record_); }

std::size_t timer_group::size() const noexcept { return record_ == nullptr ? 0 : core::group_size(record_); }

// The group's object may be destroyed inside a member's callback while this waits: the record is held across the wait.
wait_result timer_group::cancel_and_wait_ns(std::int64_t limit_ns) noexcept {
  if (record_ == nullptr) return wait_result::quiet;
  detail::group_record* record = record_;
  core::share_group(record);
  core::order_wait_for(record, limit_ns, "cancel_and_wait of the group");
  static_cast<void>(core::cancel_group(record));
  const wait_result answer = core::wait_group(record, limit_ns, true);
  core::unshare_group(record);
  return answer;
}

wait_result timer_group::close_and_wait_ns(std::int64_t limit_ns) noexcept {
  if (record_ == nullptr) return wait_result::quiet;
  detail::group_record* record = record_;
  core::share_group(record);
  core::order_wait_for(record, limit_ns, "close_and_wait of the group");
  static_cast<void>(core::close_group(record));
  const wait_result answer = core::wait_group(record, limit_ns, true);
  core::unshare_group(record);
  return answer;
}

wait_result timer_group::wait_ns(std::int64_t limit_ns, wait_progress* progress) noexcept {
  if (record_ == nullptr) return wait_result::quiet;
  detail::group_record* record = record_;
  core::share_group(record);
  core::order_wait_for(record, limit_ns, "wait of the group");
  const wait_result answer = core::wait_group(record, limit_ns, true, progress);
  core::unshare_group(record);
  return answer;
}

void timer_group::destroy() noexcept { core::destroy_group(std::exchange(record_, nullptr)); }

}  // namespace detent::inline v0
