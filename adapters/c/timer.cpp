// timer: handles, and the options that all timers have.
#include "handles.hpp"

namespace detent_c {

void callback::operator()(detent::firing& current) {
  detent_firing firing{.current = &current, .code = 0};
  call_(context_.pointer(), &firing);
  if (firing.code != 0) throw call_failure{firing.code};
}

bool read_timer_options(const detent_timer_options* given, detent_timer_options& options) noexcept {
  return read_options(given, options) && is_one_of(options.on_failure, 2) && is_one_of(options.clock, 3);
}

bool read_series_options(const detent_series_options* given, detent::series_options& series) noexcept {
  detent_series_options options{};
  options.first_ns = -1;
  if (!read_options(given, options) || !is_one_of(options.pace, 2) || !is_one_of(options.missed, 3)) return false;
  series.first = ns(options.first_ns);
  series.pace = static_cast<detent::pace>(options.pace);
  series.missed = static_cast<detent::missed_ticks>(options.missed);
  return true;
}

bool read_group_options(const detent_group_options* given, detent::group_options& core) noexcept {
  detent_group_options options{};
  if (!read_options(given, options) || !is_one_of(options.order, 2)) return false;
  if (options.name != nullptr) core.name = options.name;
  core.order = static_cast<detent::group_order>(options.order);
  return true;
}

detent::timer_options core_options(const detent_timer_options& options) noexcept {
  detent::timer_options core;
  if (options.name != nullptr) core.name = options.name;
  core.tolerance = ns(options.tolerance_ns);
  core.throws = static_cast<detent::on_throw>(options.on_failure);
  return core;
}

namespace {

template <class Home>
int make_timer(Home* where, const detent_timer_options* given, detent_callback call, owned_context&& context,
               detent_timer** timer) noexcept {
  if (timer != nullptr) *timer = nullptr;
  detent_timer_options options{};
  if (where == nullptr || call == nullptr || timer == nullptr || !read_timer_options(given, options)) {
    return DETENT_INVALID;
  }
  return creating([&]() -> int {
    auto made = std::make_unique<detent_timer>();
    const detent::timer_options core = core_options(options);
    callback callable(call, std::move(context));
    if (options.clock == DETENT_CLOCK_STEADY) made->handle.emplace<0>(*where, core, std::move(callable));
    if (options.clock == DETENT_CLOCK_BOOTTIME) made->handle.emplace<1>(*where, core, std::move(callable));
    if (options.clock == DETENT_CLOCK_SYSTEM) made->handle.emplace<2>(*where, core, std::move(callable));
    *timer = made.release();
    return DETENT_OK;
  });
}

}  // namespace

}  // namespace detent_c

using detent_c::ns;
using detent_c::owned_context;
using detent_c::plain;

int detent_timer_new(detent_service* service, const detent_timer_options* options, detent_callback callback,
                     void* context, detent_release release, detent_timer** timer) noexcept {
  owned_context owned(context, release);
  return detent_c::make_timer(service == nullptr ? nullptr : &service->service, options, callback, std::move(owned),
                              timer);
}

int detent_timer_new_in(detent_group* group, const detent_timer_options* options, detent_callback callback,
                        void* context, detent_release release, detent_timer** timer) noexcept {
  owned_context owned(context, release);
  return detent_c::make_timer(group == nullptr ? nullptr : &group->group, options, callback, std::move(owned), timer);
}

void detent_timer_free(detent_timer* timer) noexcept { delete timer; }

int detent_timer_arm_after(detent_timer* timer, int64_t delay_ns) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([&](auto& handle) { return plain(handle.arm_after(ns(delay_ns))); });
}

int detent_timer_arm_at(detent_timer* timer, int64_t at_ns) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([&]<class Clock>(detent::basic_timer<Clock>& handle) {
    return plain(handle.arm_at(std::chrono::time_point<Clock, std::chrono::nanoseconds>(ns(at_ns))));
  });
}

int detent_timer_arm_every(detent_timer* timer, int64_t period_ns, const detent_series_options* given) noexcept {
  detent::series_options series;
  if (timer == nullptr || !detent_c::read_series_options(given, series)) return DETENT_INVALID;
  return timer->with([&](auto& handle) { return plain(handle.arm_every(ns(period_ns), series)); });
}

int detent_timer_arm_every_at(detent_timer* timer, int64_t first_at_ns, int64_t period_ns,
                              const detent_series_options* given) noexcept {
  detent::series_options series;
  if (timer == nullptr || !detent_c::read_series_options(given, series)) return DETENT_INVALID;
  return timer->with([&]<class Clock>(detent::basic_timer<Clock>& handle) {
    const std::chrono::time_point<Clock, std::chrono::nanoseconds> first(ns(first_at_ns));
    return plain(handle.arm_every(first, ns(period_ns), series));
  });
}

int detent_timer_cancel(detent_timer* timer) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([](auto& handle) { return plain(handle.cancel()); });
}

int detent_timer_close(detent_timer* timer) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([](auto& handle) { return plain(handle.close()); });
}

int detent_timer_cancel_and_wait(detent_timer* timer, int64_t limit_ns, int* outcome) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([&](auto& handle) { return detent_c::split(handle.cancel_and_wait_for(ns(limit_ns)), outcome); });
}

int detent_timer_close_and_wait(detent_timer* timer, int64_t limit_ns, int* outcome) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([&](auto& handle) { return detent_c::split(handle.close_and_wait_for(ns(limit_ns)), outcome); });
}

int detent_timer_close_then(detent_timer* timer, detent_continuation then, void* context,
                            detent_release release) noexcept {
  if (timer == nullptr || then == nullptr) return DETENT_INVALID;
  detent_c::continuation f(then, owned_context(context, release));
  const auto result = timer->with([&](auto& handle) { return handle.close_then(std::move(f)); });
  if (result != detent::then_result::accepted) f.forget();
  return plain(result);
}

int detent_timer_stop(detent_timer* timer) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([](auto& handle) { return plain(handle.stop()); });
}

int detent_timer_wait(detent_timer* timer, int64_t limit_ns) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([&](auto& handle) { return plain(handle.wait_for(ns(limit_ns))); });
}

int detent_timer_wait_slice(detent_timer* timer, int64_t limit_ns, detent_wait_progress* progress) noexcept {
  if (timer == nullptr || progress == nullptr) return DETENT_INVALID;
  return detent_c::wait_slice(progress, [&](detent::wait_progress& at) {
    return timer->with([&](auto& handle) { return handle.wait_for(ns(limit_ns), at); });
  });
}

int detent_timer_status(detent_timer* timer) noexcept {
  if (timer == nullptr) return DETENT_INVALID;
  return timer->with([](auto& handle) { return plain(handle.status()); });
}

detent_id detent_timer_id(detent_timer* timer) noexcept {
  if (timer == nullptr) return 0;
  return timer->with([](auto& handle) { return handle.id().value(); });
}

int detent_timer_name(detent_timer* timer, char* buffer, size_t capacity, size_t* length) noexcept {
  if (length != nullptr) *length = 0;
  if (timer == nullptr || (buffer == nullptr && capacity != 0)) return DETENT_INVALID;
  return detent_c::creating([&]() -> int {
    const std::string name = timer->with([](auto& handle) { return handle.name(); });
    if (length != nullptr) *length = name.size();
    if (capacity == 0) return DETENT_OK;
    const std::size_t fits = std::min(name.size(), capacity - 1);
    std::memcpy(buffer, name.data(), fits);
    buffer[fits] = '\0';
    return DETENT_OK;
  });
}

int64_t detent_timer_tolerance_ns(detent_timer* timer) noexcept {
  if (timer == nullptr) return 0;
  return timer->with([](auto& handle) { return handle.tolerance().count(); });
}
