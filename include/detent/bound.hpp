// bound: ties a timer to an owner held by `std::weak_ptr`.
#pragma once

#include <detent/firing.hpp>
#include <detent/version.hpp>

#include <memory>
#include <type_traits>
#include <utility>

DETENT_BEGIN_NAMESPACE

// A callback that promotes `owner` for the duration of each call and passes it on: f(owner), f(owner, firing),
// f(firing) or f(). When the owner is gone, the engine closes the timer at its next firing. An owner whose last other
// reference goes during a call is destroyed at the end of that call, on its thread, where it may destroy the timer as
// well (G04).
template <class T, class F>
class bound_callback {
 public:
  bound_callback(std::weak_ptr<T> owner, F f) noexcept(std::is_nothrow_move_constructible_v<F>)
      : owner_(std::move(owner)), f_(std::move(f)) {}

  void operator()(firing& current) {
    const std::shared_ptr<T> owner = owner_.lock();
    if (owner == nullptr) {
      current.close();
    } else if constexpr (std::is_member_function_pointer_v<F>) {
      if constexpr (std::is_invocable_v<F&, T&, firing&>) {
        static_cast<void>(((*owner).*f_)(current));
      } else {
        static_cast<void>(((*owner).*f_)());
      }
    } else if constexpr (std::is_invocable_v<F&, T&, firing&>) {
      static_cast<void>(f_(*owner, current));
    } else if constexpr (std::is_invocable_v<F&, T&>) {
      static_cast<void>(f_(*owner));
    } else if constexpr (std::is_invocable_v<F&, firing&>) {
      static_cast<void>(f_(current));
    } else {
      static_cast<void>(f_());
    }
  }

 private:
  std::weak_ptr<T> owner_;
  [[no_unique_address]] F f_;
};

template <class T, class F>
bound_callback<T, std::decay_t<F>> bound_to(std::weak_ptr<T> owner, F&& f) {
  return {std::move(owner), std::forward<F>(f)};
}

template <class T, class F>
bound_callback<T, std::decay_t<F>> bound_to(const std::shared_ptr<T>& owner, F&& f) {
  return {std::weak_ptr<T>(owner), std::forward<F>(f)};
}

DETENT_END_NAMESPACE
