// texts: words for results, and the proof that both faces number them alike.
#include "handles.hpp"

namespace {

template <class A, class B>
constexpr bool same(A a, B b) {
  return static_cast<int>(a) == static_cast<int>(b);
}

using detent::arm_result;
using detent::cancel_result;
using detent::timer_state;
using detent::wait_result;

static_assert(same(DETENT_ARM_ARMED, arm_result::armed) && same(DETENT_ARM_REARMED, arm_result::rearmed) &&
              same(DETENT_ARM_CLOSED, arm_result::closed) && same(DETENT_ARM_SHUT_DOWN, arm_result::shut_down) &&
              same(DETENT_ARM_REFUSED, arm_result::refused));
static_assert(same(DETENT_CANCEL_CANCELLED, cancel_result::cancelled) &&
              same(DETENT_CANCEL_CANCELLED_RUNNING, cancel_result::cancelled_running) &&
              same(DETENT_CANCEL_RUNNING, cancel_result::running) && same(DETENT_CANCEL_IDLE, cancel_result::idle) &&
              same(DETENT_CANCEL_CLOSED, cancel_result::closed) &&
              same(DETENT_CANCEL_SHUT_DOWN, cancel_result::shut_down));
static_assert(same(DETENT_WAIT_QUIET, wait_result::quiet) &&
              same(DETENT_WAIT_FROM_CALLBACK, wait_result::from_callback) &&
              same(DETENT_WAIT_WOULD_DEADLOCK, wait_result::would_deadlock) &&
              same(DETENT_WAIT_TIMED_OUT, wait_result::timed_out));
static_assert(same(DETENT_STOP_ASKED, detent::stop_result::asked) && same(DETENT_STOP_IDLE, detent::stop_result::idle));
static_assert(same(DETENT_THEN_ACCEPTED, detent::then_result::accepted) &&
              same(DETENT_THEN_NO_MEMORY, detent::then_result::no_memory));
static_assert(same(DETENT_RUN_RAN, detent::run_answer::kind::ran) &&
              same(DETENT_RUN_BUSY, detent::run_answer::kind::busy));
static_assert(same(DETENT_STATE_IDLE, timer_state::idle) && same(DETENT_STATE_PENDING, timer_state::pending) &&
              same(DETENT_STATE_QUEUED, timer_state::queued) && same(DETENT_STATE_RUNNING, timer_state::running) &&
              same(DETENT_STATE_CLOSED, timer_state::closed) && same(DETENT_STATE_SHUT_DOWN, timer_state::shut_down));
static_assert(same(DETENT_CLOCK_STEADY, detent::clock_kind::steady) &&
              same(DETENT_CLOCK_BOOTTIME, detent::clock_kind::boottime) &&
              same(DETENT_CLOCK_SYSTEM, detent::clock_kind::system));
static_assert(same(DETENT_MISSED_SKIP, detent::missed_ticks::skip) &&
              same(DETENT_MISSED_BURST, detent::missed_ticks::burst) &&
              same(DETENT_MISSED_DELAY, detent::missed_ticks::delay));
static_assert(same(DETENT_FIXED_RATE, detent::pace::fixed_rate) && same(DETENT_FIXED_DELAY, detent::pace::fixed_delay));
static_assert(same(DETENT_RESUME, detent::on_throw::resume) && same(DETENT_END_SERIES, detent::on_throw::end_series));
static_assert(same(DETENT_CANCEL_PENDING, detent::shutdown_policy::cancel_pending) &&
              same(DETENT_RUN_DUE, detent::shutdown_policy::run_due));
static_assert(same(DETENT_ANY_THREAD, detent::sharing::any_thread) &&
              same(DETENT_ONE_THREAD, detent::sharing::one_thread));
static_assert(same(DETENT_OWN_THREAD, detent::drive::own_thread) && same(DETENT_BY_USER, detent::drive::by_user));
static_assert(same(DETENT_CONCURRENT, detent::group_order::concurrent) &&
              same(DETENT_SERIAL, detent::group_order::serial));
static_assert(same(DETENT_ERROR_FAILED, detent::callback_error::what::threw) &&
              same(DETENT_ERROR_DROPPED, detent::callback_error::what::dropped));
static_assert(same(DETENT_SCHEDULE_ORDINARY, detent::thread_priority::kind::ordinary) &&
              same(DETENT_SCHEDULE_FIFO, detent::thread_priority::kind::fifo) &&
              same(DETENT_SCHEDULE_ROUND_ROBIN, detent::thread_priority::kind::round_robin));

template <class Enum>
const char* text_of(int value, Enum last) noexcept {
  return detent_c::is_one_of(value, static_cast<int>(last) + 1) ? to_string(static_cast<Enum>(value)) : "unknown";
}

}  // namespace

const char* detent_status_text(int status) noexcept {
  switch (status) {
    case DETENT_OK: return "ok";
    case DETENT_INVALID: return "invalid";
    case DETENT_NO_MEMORY: return "no_memory";
    case DETENT_OS_REFUSED: return "os_refused";
    case DETENT_UNAVAILABLE: return "unavailable";
    default: return "unknown";
  }
}

const char* detent_arm_text(int result) noexcept { return text_of(result, arm_result::refused); }
const char* detent_cancel_text(int result) noexcept { return text_of(result, cancel_result::shut_down); }
const char* detent_wait_text(int result) noexcept { return text_of(result, wait_result::timed_out); }
const char* detent_stop_text(int result) noexcept { return text_of(result, detent::stop_result::idle); }
const char* detent_then_text(int result) noexcept { return text_of(result, detent::then_result::no_memory); }
const char* detent_state_text(int state) noexcept { return text_of(state, timer_state::shut_down); }

uint32_t detent_version() noexcept {
  return DETENT_VERSION_MAJOR << 16 | DETENT_VERSION_MINOR << 8 | DETENT_VERSION_PATCH;
}
