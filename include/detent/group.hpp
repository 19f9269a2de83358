// group: a scope that owns timers and makes all of them quiet together.
#pragma once

#include <detent/outcome.hpp>
#include <detent/time.hpp>
#include <detent/timer.hpp>
#include <detent/version.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

DETENT_BEGIN_NAMESPACE

namespace detail {
struct group_record;
}

enum class group_order : std::uint8_t {
  concurrent,  // members' callbacks may overlap, each timer's own never do
  serial,      // members' callbacks never overlap and start in order
};

struct group_options {
  std::string_view name{};  // copied
  group_order order = group_order::concurrent;
};

// Owns timers, so that a component makes itself quiet in one line: make it a member declared after what the callbacks
// use. Membership and closing are one order: a timer is closed by the group, or was created after and is born closed.
//
//   Verbs                     block   threads                  inside a member's callback          errors
//   cancel, close, stop       never   any number at once       legal                               the count
//   …_and_wait…, wait…        yes     any number at once       cover all *other* members, then     the result (G08)
//                                                              answer `from_callback`
//   destructor                yes     exclusive access         as close_and_wait                   deadlock handler
//   construction              never   any                      legal                               throws std::bad_alloc
//
//   Visibility: what the members' callbacks did is visible after a wait that answered `quiet`. A moved-from group has no
//   members: its verbs answer 0 and `quiet`. The group may be destroyed inside a member's callback, and before the
//   handles of its members.
class DETENT_EXPORT timer_group {
 public:
  explicit timer_group(timer_service& service, const group_options& options = {});
  // A child: closing the parent closes it too.
  explicit timer_group(timer_group& parent, const group_options& options = {});
  timer_group(timer_group&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  timer_group& operator=(timer_group&& other) noexcept {
    if (this != &other) {
      timer_group old(std::move(*this));
      record_ = std::exchange(other.record_, nullptr);
    }
    return *this;
  }
  timer_group(const timer_group&) = delete;
  timer_group& operator=(const timer_group&) = delete;
  ~timer_group() {
    if (record_ != nullptr) destroy();
  }

  // Withdraws every member's pending firing; members with a handle stay open. Answers how many were withdrawn.
  std::size_t cancel() noexcept;
  // Closes every member, of child groups too, and refuses new ones. Answers how many firings were withdrawn.
  std::size_t close() noexcept;
  // Asks every call of a member that is in progress to end early. Answers how many were asked.
  std::size_t stop() noexcept;

  wait_result cancel_and_wait() noexcept { return cancel_and_wait_ns(detail::ns_max); }
  wait_result close_and_wait() noexcept { return close_and_wait_ns(detail::ns_max); }
  // Waits for the members' calls that are in progress, detached ones included.
  wait_result wait() noexcept { return wait_ns(detail::ns_max); }
  template <class Rep, class Period>
  wait_result cancel_and_wait_for(std::chrono::duration<Rep, Period> limit) noexcept {
    return cancel_and_wait_ns(detail::ceil_ns(limit));
  }
  template <class Rep, class Period>
  wait_result close_and_wait_for(std::chrono::duration<Rep, Period> limit) noexcept {
    return close_and_wait_ns(detail::ceil_ns(limit));
  }
  template <class Rep, class Period>
  wait_result wait_for(std::chrono::duration<Rep, Period> limit) noexcept {
    return wait_ns(detail::ceil_ns(limit));
  }
  template <class Rep, class Period>
  wait_result wait_for(std::chrono::duration<Rep, Period> limit, wait_progress& progress) noexcept {
    return wait_ns(detail::ceil_ns(limit), &progress);
  }

  // How many members exist, of child groups too; closed members count until their handle is gone.
  std::size_t size() const noexcept;

 private:
  friend class detail::home;
  wait_result cancel_and_wait_ns(std::int64_t limit_ns) noexcept;
  wait_result close_and_wait_ns(std::int64_t limit_ns) noexcept;
  wait_result wait_ns(std::int64_t limit_ns, wait_progress* progress = nullptr) noexcept;
  void destroy() noexcept;
  detail::group_record* record_;  // counted
};

DETENT_END_NAMESPACE
