// service: its options and hooks, its end, and what it tells.
#include "handles.hpp"

namespace detent_c {

namespace {

using shared_context = std::shared_ptr<owned_context>;

detent_named named(const detent::timer_name& timer) noexcept {
  return {.id = timer.id.value(), .name = timer.name.c_str()};
}

std::vector<detent_named> named(const std::vector<detent::timer_name>& timers) {
  std::vector<detent_named> all;
  all.reserve(timers.size());
  for (const auto& timer : timers) all.push_back(named(timer));
  return all;
}

void tell_error(const detent_service_options& options, const detent::callback_error& error) {
  detent_error told{.kind = plain(error.kind), .code = 0, .text = "", .timer = named(error.timer)};
  // The text of an exception lives as long as the exception, so the hook is called where it is caught.
  try {
    if (error.exception) std::rethrow_exception(error.exception);
  } catch (const call_failure& failure) {
    told.code = failure.code;
  } catch (const std::exception& exception) {
    told.text = exception.what();
    options.on_error(options.context, &told);
    return;
  } catch (...) {
    told.text = "an exception of an unknown kind";
  }
  options.on_error(options.context, &told);
}

void tell_deadlock(const detent_service_options& options, const detent::deadlock_report& report) {
  const std::vector<detent_named> cycle = named(report.cycle);
  const detent_deadlock told{
      .refused = report.refused, .count = cycle.size(), .cycle = cycle.data(), .text = report.text.c_str()};
  options.on_deadlock(options.context, &told);
}

// Each hook holds a share of the context: it is released with the core, which keeps the hooks.
void set_hooks(const detent_service_options& options, const shared_context& keep, detent::service_options& core) {
  if (options.on_thread_start != nullptr) {
    core.on_thread_start = [keep, f = options.on_thread_start](const std::string& name) {
      f(keep->pointer(), name.c_str());
    };
  }
  if (options.on_error != nullptr) {
    core.on_error = [keep, options](const detent::callback_error& error) { tell_error(options, error); };
  }
  if (options.on_deadlock != nullptr) {
    core.on_deadlock = [keep, options](const detent::deadlock_report& report) { tell_deadlock(options, report); };
  }
  if (options.on_clock_step != nullptr) {
    core.on_clock_step = [keep, f = options.on_clock_step](detent::duration by) { f(keep->pointer(), by.count()); };
  }
  if (options.on_slow_call != nullptr) {
    core.on_slow_call = [keep, f = options.on_slow_call](const detent::slow_call& call) {
      const detent_named timer = named(call.timer);
      f(keep->pointer(), &timer, call.running_for.count());
    };
  }
}

bool is_sound(const detent_service_options& options) noexcept {
  return is_one_of(options.drive, 2) && is_one_of(options.sharing, 2) && is_one_of(options.executor, 3) &&
         is_one_of(options.scheduling, 3) && (options.executor != DETENT_ON_POST || options.post != nullptr);
}

int make_service(const detent_service_options& options, const shared_context& keep, detent_service** service) {
  detent::service_options core;
  if (options.name != nullptr) core.name = options.name;
  core.drive = static_cast<detent::drive>(options.drive);
  core.sharing = static_cast<detent::sharing>(options.sharing);
  core.priority = {.scheduling = static_cast<detent::thread_priority::kind>(options.scheduling),
                   .level = options.priority};
  core.call_limit = ns(options.call_limit_ns);
  std::shared_ptr<detent::manual_clock> clock;
  if (options.clock != nullptr) clock = options.clock->clock;
  core.clock = clock.get();
  std::unique_ptr<posting_executor> executor;
  if (options.executor == DETENT_ON_DRIVER) core.executor = detent::on_driver{};
  if (options.executor == DETENT_ON_POOL && options.threads != 0) core.executor = detent::pool{options.threads};
  if (options.executor == DETENT_ON_POST) {
    executor = std::make_unique<posting_executor>(options.post, keep);
    core.executor = *executor;
  }
  set_hooks(options, keep, core);
  *service = new detent_service(std::move(clock), std::move(executor), std::move(core));
  return DETENT_OK;
}

// A report and what its pointers point to.
struct kept_report : detent_shutdown_report {
  detent::shutdown_report source;
  std::vector<detent_named> names;
};

struct kept_snapshot : detent_snapshot {
  std::vector<detent::timer_info> source;
  std::vector<detent_timer_info> infos;
};

// Names as far as memory goes: the shutdown is done by now, and that is told.
void fill_report(kept_report& kept, detent::shutdown_report source) noexcept {
  kept.source = std::move(source);
  try {
    kept.names = named(kept.source.still_running);
  } catch (const std::bad_alloc&) {
  }
  kept.complete = kept.source.complete;
  kept.fired = kept.source.fired;
  kept.cancelled = kept.source.cancelled;
  kept.dropped = kept.source.dropped;
  kept.detached_threads = kept.source.detached_threads;
  kept.still_running_count = kept.names.size();
  kept.still_running = kept.names.data();
}

}  // namespace

int snapshot_of(std::vector<detent::timer_info> timers, detent_snapshot** snapshot) {
  auto kept = std::make_unique<kept_snapshot>();
  kept->source = std::move(timers);
  kept->infos.reserve(kept->source.size());
  for (const auto& timer : kept->source) {
    kept->infos.push_back({.id = timer.id.value(),
                           .name = timer.name.c_str(),
                           .group = timer.group.c_str(),
                           .state = plain(timer.state),
                           .clock = plain(timer.clock),
                           .due_known = timer.due_known,
                           .due_in_ns = timer.due_in.count(),
                           .period_ns = timer.period.count(),
                           .calls = timer.calls});
  }
  kept->count = kept->infos.size();
  kept->timers = kept->infos.data();
  *snapshot = kept.release();
  return DETENT_OK;
}

}  // namespace detent_c

using detent_c::counted;
using detent_c::creating;
using detent_c::is_one_of;
using detent_c::ns;
using detent_c::plain;

int detent_service_new(const detent_service_options* given, detent_service** service) noexcept {
  detent_service_options options{};
  if (service != nullptr) *service = nullptr;
  if (!detent_c::read_options(given, options)) return DETENT_INVALID;  // Too short to hold a context.
  detent_c::owned_context context(options.context, options.release);
  if (service == nullptr || !detent_c::is_sound(options)) return DETENT_INVALID;
  return creating([&] {
    // The handle outlives the first share by this frame, so that a failure releases the context exactly once.
    const auto keep = std::make_shared<detent_c::owned_context>(std::move(context));
    return detent_c::make_service(options, keep, service);
  });
}

void detent_service_free(detent_service* service) noexcept { delete service; }

int detent_service_shutdown(detent_service* service, int policy, int64_t limit_ns,
                            detent_shutdown_report** report) noexcept {
  if (report != nullptr) *report = nullptr;
  if (service == nullptr || !is_one_of(policy, 2)) return DETENT_INVALID;
  return creating([&]() -> int {
    // What can fail comes first: without memory nothing is changed.
    std::unique_ptr<detent_c::kept_report> kept;
    if (report != nullptr) kept = std::make_unique<detent_c::kept_report>();
    auto done = service->service.shutdown(static_cast<detent::shutdown_policy>(policy), ns(limit_ns));
    if (kept == nullptr) return DETENT_OK;
    detent_c::fill_report(*kept, std::move(done));
    *report = kept.release();
    return DETENT_OK;
  });
}

void detent_shutdown_report_free(detent_shutdown_report* report) noexcept {
  delete static_cast<detent_c::kept_report*>(report);
}

int detent_service_run_due(detent_service* service, size_t* count) noexcept {
  counted(0, count);
  if (service == nullptr) return DETENT_INVALID;
  const detent::run_answer answer = service->service.run_due();
  counted(answer.count, count);
  return plain(answer.outcome);
}

int64_t detent_service_next_deadline_ns(detent_service* service) noexcept {
  if (service == nullptr) return DETENT_NEVER;
  return detent::detail::epoch_ns(service->service.next_deadline());
}

int detent_service_fd(detent_service* service) noexcept { return service == nullptr ? -1 : service->service.fd(); }

int detent_service_now(detent_service* service, int clock, int64_t* now_ns) noexcept {
  if (now_ns != nullptr) *now_ns = 0;
  if (service == nullptr || now_ns == nullptr || !is_one_of(clock, 3)) return DETENT_INVALID;
  const detent::timer_service& core = service->service;
  if (clock == DETENT_CLOCK_STEADY) *now_ns = detent::detail::epoch_ns(core.now<detent::steady_clock>());
  if (clock == DETENT_CLOCK_BOOTTIME) *now_ns = detent::detail::epoch_ns(core.now<detent::boottime_clock>());
  if (clock == DETENT_CLOCK_SYSTEM) *now_ns = detent::detail::epoch_ns(core.now<detent::system_clock>());
  return DETENT_OK;
}

int detent_service_cancel_all(detent_service* service, size_t* count) noexcept {
  counted(0, count);
  if (service == nullptr) return DETENT_INVALID;
  return counted(service->service.cancel_all(), count);
}

int detent_service_counters(detent_service* service, detent_counters* counters) noexcept {
  if (service == nullptr || counters == nullptr || counters->size < sizeof(size_t)) return DETENT_INVALID;
  return creating([&]() -> int {
    const detent::service_counters now = service->service.counters();
    const detent_counters all{.size = counters->size,
                              .fired = now.fired,
                              .dropped = now.dropped,
                              .missed = now.missed,
                              .failed = now.threw,
                              .early = now.early,
                              .wakeups = now.wakeups,
                              .alive = now.alive,
                              .clock_steps = now.clock_steps,
                              .lateness_max_ns = now.lateness.max_ns};
    std::memcpy(counters, &all, std::min(counters->size, sizeof(all)));
    return DETENT_OK;
  });
}

int detent_service_lateness(detent_service* service, double quantile, uint64_t* result_ns) noexcept {
  if (service == nullptr || result_ns == nullptr || !(quantile >= 0 && quantile <= 1)) return DETENT_INVALID;
  return creating([&]() -> int {
    *result_ns = service->service.counters().lateness.quantile_ns(quantile);
    return DETENT_OK;
  });
}

int detent_service_snapshot(detent_service* service, detent_snapshot** snapshot) noexcept {
  if (snapshot != nullptr) *snapshot = nullptr;
  if (service == nullptr || snapshot == nullptr) return DETENT_INVALID;
  return creating([&] { return detent_c::snapshot_of(service->service.snapshot(), snapshot); });
}

void detent_snapshot_free(detent_snapshot* snapshot) noexcept {
  delete static_cast<detent_c::kept_snapshot*>(snapshot);
}

int detent_service_active(detent_service* service, detent_id* ids, size_t capacity, size_t* count) noexcept {
  counted(0, count);
  if (service == nullptr || (ids == nullptr && capacity != 0)) return DETENT_INVALID;
  return creating([&] {
    const std::vector<detent::timer_id> active = service->service.active();
    for (std::size_t i = 0; i < std::min(capacity, active.size()); ++i) ids[i] = active[i].value();
    return counted(active.size(), count);
  });
}
