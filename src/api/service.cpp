#include "engine/engine.hpp"

#include <detent/service.hpp>

#include <cstdio>
#include <cstdlib>

namespace detent::inline v0 {

using detail::named;

static_assert(timer_service::resolution.count() == static_cast<std::int64_t>(detail::resolution_ns));

namespace {

// The id of no timer must not be taken for a handle, whose generation is not asked for.
constexpr named by_id(timer_id id) noexcept { return id ? named{id.index, id.generation} : named{detail::no_index, 1}; }

}  // namespace

timer_service::timer_service(service_options options) {
  std::error_code error;
  const char* operation = "";
  detail::manual_state* manual = options.clock == nullptr ? nullptr : options.clock->state_;
  core_ = detail::core::create(std::move(options), manual, error, &operation);
  if (core_ != nullptr) return;
#if DETENT_EXCEPTIONS
  throw std::system_error(error, std::string("detent: ") + operation);
#else
  std::fprintf(stderr, "detent: %s failed with error %d; use the form with std::error_code\n", operation,
               error.value());
  std::abort();
#endif
}

timer_service::timer_service(service_options options, std::error_code& error) noexcept {
  const char* operation = "";
  detail::manual_state* manual = options.clock == nullptr ? nullptr : options.clock->state_;
  core_ = detail::core::create(std::move(options), manual, error, &operation);
}

timer_service::timer_service(manual_clock& clock)
    : timer_service([&clock] {
        service_options options;
        options.clock = &clock;
        options.executor = on_driver{};
        return options;
      }()) {}

timer_service::~timer_service() {
  if (core_ != nullptr) core_->destroy_service();
}

// --- Ids ------------------------------------------------------------------------------------------------------------

timer_id timer_service::start_once(timer_id id, std::int64_t delay_ns) noexcept {
  if (id) static_cast<void>(core_->arm_after(by_id(id), delay_ns));
  return id;
}

timer_id timer_service::start_once_at(timer_id id, std::int64_t at_ns) noexcept {
  if (id) static_cast<void>(core_->arm_at(by_id(id), at_ns));
  return id;
}

timer_id timer_service::start_every(timer_id id, std::int64_t period_ns, const series_options& series) noexcept {
  if (id) static_cast<void>(core_->arm_every(by_id(id), std::nullopt, period_ns, series));
  return id;
}

arm_result timer_service::arm_after_ns(timer_id id, std::int64_t delay_ns) noexcept {
  return core_->arm_after(by_id(id), delay_ns);
}

arm_result timer_service::arm_at_ns(timer_id id, clock_kind kind, std::int64_t at_ns) noexcept {
  return core_->arm_at_on(by_id(id), static_cast<detail::clock_id>(kind), at_ns);
}

arm_result timer_service::arm_every_ns(timer_id id, std::int64_t period_ns, const series_options& series) noexcept {
  return core_->arm_every(by_id(id), std::nullopt, period_ns, series);
}

cancel_result timer_service::cancel(timer_id id) noexcept { return core_->cancel(by_id(id)); }

cancel_answer timer_service::cancel_and_wait_ns(timer_id id, std::int64_t limit_ns) noexcept {
  return core_->cancel_and_wait(by_id(id), limit_ns);
}

cancel_result timer_service::close(timer_id id) noexcept { return core_->close(by_id(id)); }

cancel_answer timer_service::close_and_wait_ns(timer_id id, std::int64_t limit_ns) noexcept {
  return core_->close_and_wait(by_id(id), limit_ns, false);
}

stop_result timer_service::stop(timer_id id) noexcept { return core_->stop(by_id(id)); }

wait_result timer_service::wait_ns(timer_id id, std::int64_t limit_ns, wait_progress* progress) noexcept {
  return core_->wait(by_id(id), limit_ns, progress);
}

timer_state timer_service::status(timer_id id) const noexcept {
  return id ? core_->status(by_id(id)) : timer_state::closed;
}

std::optional<timer_info> timer_service::info(timer_id id) const { return core_->info(by_id(id)); }

std::size_t timer_service::cancel_all() noexcept { return core_->cancel_all(); }

// --- The rest -------------------------------------------------------------------------------------------------------

run_answer timer_service::run_due() noexcept { return core_->run_due(); }

steady_clock::time_point timer_service::next_deadline() noexcept {
  return steady_clock::time_point(duration(core_->next_deadline_ns()));
}

int timer_service::fd() noexcept { return core_->descriptor(); }

shutdown_report timer_service::shutdown(shutdown_policy policy, duration limit) {
  return core_->shutdown(policy, limit.count());
}

service_counters timer_service::counters() const { return core_->counters(); }

std::vector<timer_info> timer_service::snapshot() const { return core_->snapshot(); }

std::vector<timer_id> timer_service::active() const { return core_->active(); }

std::int64_t timer_service::now_ns(clock_kind kind) const noexcept {
  return core_->now_ns(static_cast<detail::clock_id>(kind));
}

}  // namespace detent::inline v0
