// id: timers that only their id names, and the verbs on ids.
#include "handles.hpp"

using detent_c::core_id;
using detent_c::creating;
using detent_c::is_one_of;
using detent_c::ns;
using detent_c::owned_context;
using detent_c::plain;

namespace {

// The part that the three creating functions share: `start` makes the timer out of the service, options and callable.
template <class Start>
int make_id(detent_service* service, detent_callback call, owned_context&& context, const detent_timer_options* given,
            detent_id* id, Start&& start) noexcept {
  if (id != nullptr) *id = 0;
  detent_timer_options options{};
  if (service == nullptr || call == nullptr || !detent_c::read_timer_options(given, options) ||
      options.clock != DETENT_CLOCK_STEADY) {
    return DETENT_INVALID;
  }
  return creating([&]() -> int {
    const detent::timer_id made =
        start(service->service, detent_c::core_options(options), detent_c::callback(call, std::move(context)));
    if (id != nullptr) *id = made.value();
    return made ? DETENT_OK : DETENT_UNAVAILABLE;
  });
}

}  // namespace

int detent_once(detent_service* service, int64_t delay_ns, detent_callback callback, void* context,
                detent_release release, const detent_timer_options* options, detent_id* id) noexcept {
  return make_id(service, callback, owned_context(context, release), options, id,
                 [&](detent::timer_service& core, const detent::timer_options& with, detent_c::callback&& callable) {
                   return core.once(ns(delay_ns), std::move(callable), with);
                 });
}

int detent_once_at(detent_service* service, int64_t steady_ns, detent_callback callback, void* context,
                   detent_release release, const detent_timer_options* options, detent_id* id) noexcept {
  return make_id(service, callback, owned_context(context, release), options, id,
                 [&](detent::timer_service& core, const detent::timer_options& with, detent_c::callback&& callable) {
                   return core.once(detent::steady_clock::time_point(ns(steady_ns)), std::move(callable), with);
                 });
}

int detent_every(detent_service* service, int64_t period_ns, detent_callback callback, void* context,
                 detent_release release, const detent_series_options* given, const detent_timer_options* options,
                 detent_id* id) noexcept {
  owned_context owned(context, release);
  detent::series_options series;
  if (id != nullptr) *id = 0;
  if (period_ns <= 0 || !detent_c::read_series_options(given, series)) return DETENT_INVALID;
  return make_id(service, callback, std::move(owned), options, id,
                 [&](detent::timer_service& core, const detent::timer_options& with, detent_c::callback&& callable) {
                   return core.every(ns(period_ns), std::move(callable), series, with);
                 });
}

int detent_id_arm_after(detent_service* service, detent_id id, int64_t delay_ns) noexcept {
  return service == nullptr ? DETENT_INVALID : plain(service->service.arm_after(core_id(id), ns(delay_ns)));
}

int detent_id_arm_at(detent_service* service, detent_id id, int clock, int64_t at_ns) noexcept {
  if (service == nullptr || !is_one_of(clock, 3)) return DETENT_INVALID;
  const auto arm = [&]<class Clock>(std::type_identity<Clock>) {
    const std::chrono::time_point<Clock, std::chrono::nanoseconds> at(ns(at_ns));
    return plain(service->service.arm_at(core_id(id), at));
  };
  if (clock == DETENT_CLOCK_BOOTTIME) return arm(std::type_identity<detent::boottime_clock>());
  if (clock == DETENT_CLOCK_SYSTEM) return arm(std::type_identity<detent::system_clock>());
  return arm(std::type_identity<detent::steady_clock>());
}

int detent_id_arm_every(detent_service* service, detent_id id, int64_t period_ns,
                        const detent_series_options* given) noexcept {
  detent::series_options series;
  if (service == nullptr || !detent_c::read_series_options(given, series)) return DETENT_INVALID;
  return plain(service->service.arm_every(core_id(id), ns(period_ns), series));
}

int detent_id_cancel(detent_service* service, detent_id id) noexcept {
  return service == nullptr ? DETENT_INVALID : plain(service->service.cancel(core_id(id)));
}

int detent_id_close(detent_service* service, detent_id id) noexcept {
  return service == nullptr ? DETENT_INVALID : plain(service->service.close(core_id(id)));
}

int detent_id_cancel_and_wait(detent_service* service, detent_id id, int64_t limit_ns, int* outcome) noexcept {
  if (service == nullptr) return DETENT_INVALID;
  return detent_c::split(service->service.cancel_and_wait_for(core_id(id), ns(limit_ns)), outcome);
}

int detent_id_close_and_wait(detent_service* service, detent_id id, int64_t limit_ns, int* outcome) noexcept {
  if (service == nullptr) return DETENT_INVALID;
  return detent_c::split(service->service.close_and_wait_for(core_id(id), ns(limit_ns)), outcome);
}

int detent_id_close_then(detent_service* service, detent_id id, detent_continuation then, void* context,
                         detent_release release) noexcept {
  if (service == nullptr || then == nullptr) return DETENT_INVALID;
  detent_c::continuation f(then, owned_context(context, release));
  const detent::then_result result = service->service.close_then(core_id(id), std::move(f));
  if (result != detent::then_result::accepted) f.forget();
  return plain(result);
}

int detent_id_stop(detent_service* service, detent_id id) noexcept {
  return service == nullptr ? DETENT_INVALID : plain(service->service.stop(core_id(id)));
}

int detent_id_wait(detent_service* service, detent_id id, int64_t limit_ns) noexcept {
  return service == nullptr ? DETENT_INVALID : plain(service->service.wait_for(core_id(id), ns(limit_ns)));
}

int detent_id_wait_slice(detent_service* service, detent_id id, int64_t limit_ns,
                         detent_wait_progress* progress) noexcept {
  if (service == nullptr || progress == nullptr) return DETENT_INVALID;
  return detent_c::wait_slice(
      progress, [&](detent::wait_progress& at) { return service->service.wait_for(core_id(id), ns(limit_ns), at); });
}

int detent_id_status(detent_service* service, detent_id id) noexcept {
  return service == nullptr ? DETENT_INVALID : plain(service->service.status(core_id(id)));
}

int detent_id_info(detent_service* service, detent_id id, detent_snapshot** snapshot) noexcept {
  if (snapshot != nullptr) *snapshot = nullptr;
  if (service == nullptr || snapshot == nullptr) return DETENT_INVALID;
  return creating([&] {
    std::vector<detent::timer_info> one;
    if (auto info = service->service.info(core_id(id))) one.push_back(std::move(*info));
    return detent_c::snapshot_of(std::move(one), snapshot);
  });
}
