// executor: where callbacks run. Chosen once, in the constructor of the service.
#pragma once

#include <detent/version.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

DETENT_BEGIN_NAMESPACE

namespace detail {
class core;
}

// "Look at record i": what the engine hands to an executor. Move-only, 16 bytes, at most one outstanding per timer.
//
//   Verbs        block                  threads   inside a callback   errors
//   call         runs the callback      any       legal               none; what the callback throws is contained (G12)
//   destructor   never                  any       legal               uncalled: the firing ends as `dropped`
//   moving       never                  one       legal               none
//
//   Visibility: the callback sees what happened before its timer was armed, whatever the executor does in between. Call
//   it once, at any time: for a firing that was withdrawn meanwhile, and after the service is gone, it does nothing.
class DETENT_EXPORT task {
 public:
  task(task&& other) noexcept : core_(std::exchange(other.core_, nullptr)), index_(other.index_) {}
  task& operator=(task&& other) noexcept;
  task(const task&) = delete;
  task& operator=(const task&) = delete;
  ~task() {
    if (core_ != nullptr) drop();
  }
  void operator()() noexcept;

 private:
  friend class detail::core;
  task(detail::core* core, std::uint32_t index) noexcept : core_(core), index_(index) {}
  void drop() noexcept;
  detail::core* core_;  // counted: the core lives as long as its last task
  std::uint32_t index_;
};

// What a user's executor must offer. `post` is called with no lock of the library held; it may run the task inline,
// keep it for as long as it likes, throw, or let the task go out of scope to refuse it. The executor outlives the
// service's destructor: nothing is posted after that, although tasks that were kept may still be called or destroyed.
template <class E>
concept executor = requires(E& e, task t) { e.post(std::move(t)); };

// Callbacks run on the driver thread, one after the other: the most exact choice, for short callbacks.
struct on_driver {};

// Callbacks run on `threads` threads of the service.
struct pool {
  unsigned threads = 2;
};

// One of the three, as `service_options::executor` holds it. A custom executor is referred to, not owned.
class executor_choice {
 public:
  enum class kind : std::uint8_t { driver, pool, custom };

  executor_choice() noexcept : executor_choice(pool{}) {}
  executor_choice(on_driver) noexcept : kind_(kind::driver) {}  // NOLINT: meant to convert
  executor_choice(pool p) noexcept
      : kind_(p.threads == 0 ? kind::driver : kind::pool), threads_(p.threads) {}  // NOLINT
  template <executor E>
    requires(!std::is_same_v<std::remove_cv_t<E>, executor_choice>)
  executor_choice(E& custom) noexcept  // NOLINT: meant to convert
      : kind_(kind::custom),
        self_(&custom),
        post_([](void* self, task&& t) { static_cast<void>(static_cast<E*>(self)->post(std::move(t))); }) {}

  kind which() const noexcept { return kind_; }
  unsigned threads() const noexcept { return threads_; }
  void post(task&& t) const { post_(self_, std::move(t)); }

 private:
  kind kind_;
  unsigned threads_ = 0;
  void* self_ = nullptr;
  void (*post_)(void*, task&&) = nullptr;
};

DETENT_END_NAMESPACE
