// handles: what is behind the opaque pointers of <detent/c.h>, and how a context is owned.
//
// Every function of the face catches what the core throws while it creates, and answers a status instead.
#pragma once

#include <detent/c.h>
#include <detent/detent.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace detent_c {

// A context and who gives it back: `release` is called exactly once, by the last owner.
class owned_context {
 public:
  owned_context(void* context, detent_release release) noexcept : context_(context), release_(release) {}
  owned_context(owned_context&& other) noexcept
      : context_(other.context_), release_(std::exchange(other.release_, nullptr)) {}
  owned_context& operator=(owned_context&&) = delete;
  owned_context(const owned_context&) = delete;
  owned_context& operator=(const owned_context&) = delete;
  ~owned_context() {
    if (release_ != nullptr) release_(context_);
  }
  void* pointer() const noexcept { return context_; }
  // The caller keeps it after all.
  void forget() noexcept { release_ = nullptr; }

 private:
  void* context_;
  detent_release release_;
};

// What a call that `detent_firing_fail` marked leaves with, so that the core counts it and asks the timer's policy.
struct call_failure {
  int code;
};

// The callable of a timer made through the face; it lies in the record itself.
class callback {
 public:
  callback(detent_callback call, owned_context&& context) noexcept : call_(call), context_(std::move(context)) {}
  void operator()(detent::firing& current);

 private:
  detent_callback call_;
  owned_context context_;
};
static_assert(detent::detail::fits_inline<callback>);

class continuation {
 public:
  continuation(detent_continuation call, owned_context&& context) noexcept
      : call_(call), context_(std::move(context)) {}
  void operator()() { call_(context_.pointer()); }
  void forget() noexcept { context_.forget(); }

 private:
  detent_continuation call_;
  owned_context context_;
};
static_assert(detent::detail::fits_inline<continuation>);

// Options as the caller's header knows them: a shorter structure is filled up with the defaults.
template <class Options>
bool read_options(const Options* given, Options& options) noexcept {
  if (given == nullptr) return true;
  if (given->size < sizeof(std::size_t)) return false;
  std::memcpy(&options, given, std::min(given->size, sizeof(Options)));
  options.size = sizeof(Options);
  return true;
}

bool read_timer_options(const detent_timer_options* given, detent_timer_options& options) noexcept;
bool read_series_options(const detent_series_options* given, detent::series_options& series) noexcept;
bool read_group_options(const detent_group_options* given, detent::group_options& options) noexcept;
detent::timer_options core_options(const detent_timer_options& options) noexcept;

inline bool is_one_of(int value, int count) noexcept { return value >= 0 && value < count; }

inline detent::timer_id core_id(detent_id id) noexcept {
  return {.index = static_cast<std::uint32_t>(id), .generation = static_cast<std::uint32_t>(id >> 32)};
}

inline std::chrono::nanoseconds ns(std::int64_t count) noexcept { return std::chrono::nanoseconds(count); }

// Every result of the core has the value of its name in C (checked in `texts.cpp`).
template <class Result>
int plain(Result result) noexcept {
  return static_cast<int>(result);
}

inline int split(detent::cancel_answer answer, int* outcome) noexcept {
  if (outcome != nullptr) *outcome = plain(answer.outcome);
  return plain(answer.wait);
}

static_assert(sizeof(detent::wait_progress) <= sizeof(detent_wait_progress) &&
              std::is_trivially_copyable_v<detent::wait_progress>);

// One slice of a wait, whose progress lies in the caller's bytes; all zeros are an empty one.
template <class Wait>
int wait_slice(detent_wait_progress* bytes, Wait&& wait) noexcept {
  detent::wait_progress progress;
  std::memcpy(static_cast<void*>(&progress), bytes, sizeof progress);
  const detent::wait_result answer = wait(progress);
  std::memcpy(bytes, &progress, sizeof progress);
  return plain(answer);
}

inline int counted(std::size_t number, std::size_t* count) noexcept {
  if (count != nullptr) *count = number;
  return DETENT_OK;
}

// Runs what creates, and turns what it throws into a status.
template <class F>
int creating(F&& f) noexcept {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return DETENT_NO_MEMORY;
  } catch (const std::system_error& error) {
    return error.code() == std::errc::not_enough_memory ? DETENT_NO_MEMORY : DETENT_OS_REFUSED;
  } catch (...) {
    return DETENT_NO_MEMORY;
  }
}

int snapshot_of(std::vector<detent::timer_info> timers, detent_snapshot** snapshot);

// The caller's own executor; `context` is the service's, and lives as long as its core.
class posting_executor {
 public:
  posting_executor(int (*function)(void*, detent_task), std::shared_ptr<owned_context> context) noexcept
      : post_(function), context_(std::move(context)) {}
  void post(detent::task task);

 private:
  int (*post_)(void*, detent_task);
  std::shared_ptr<owned_context> context_;
};

}  // namespace detent_c

struct detent_firing {
  detent::firing* current;
  int code;  // written and read on the thread of the call
};

struct detent_clock {
  std::shared_ptr<detent::manual_clock> clock;
};

struct detent_service {
  std::shared_ptr<detent::manual_clock> clock;  // outlives the service
  std::unique_ptr<detent_c::posting_executor> executor;
  detent::timer_service service;

  detent_service(std::shared_ptr<detent::manual_clock> on, std::unique_ptr<detent_c::posting_executor> by,
                 detent::service_options options)
      : clock(std::move(on)), executor(std::move(by)), service(std::move(options)) {}
};

struct detent_group {
  detent::timer_group group;
};

struct detent_timer {
  std::variant<detent::timer, detent::boottime_timer, detent::system_timer> handle;

  // Calls `f` with the handle, whatever its clock is.
  template <class F>
  auto with(F&& f) noexcept(noexcept(f(std::declval<detent::timer&>()))) {
    switch (handle.index()) {
      case 1: return f(*std::get_if<1>(&handle));
      case 2: return f(*std::get_if<2>(&handle));
      default: return f(*std::get_if<0>(&handle));
    }
  }
};
