// callback: how a callable of any type becomes two function pointers and a few bytes, without std::function.
#pragma once

#include <detent/version.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

DETENT_BEGIN_NAMESPACE

class firing;

namespace detail {

// A record keeps callables of up to three pointers in place; larger ones live on the heap, allocated at creation.
inline constexpr std::size_t inline_bytes = 3 * sizeof(void*);

struct callback_ops {
  void (*call)(void* storage, firing& current);
  void (*destroy)(void* storage) noexcept;
};

template <class F>
inline constexpr bool fits_inline = sizeof(F) <= inline_bytes && alignof(F) <= alignof(void*);

template <class F>
concept timer_callback = std::is_invocable_v<F&, firing&> || std::is_invocable_v<F&>;

template <class F>
void invoke_callback(F& f, firing& current) {
  if constexpr (std::is_invocable_v<F&, firing&>) {
    static_cast<void>(f(current));
  } else {
    static_cast<void>(f());
  }
}

template <class F>
struct callback_traits {
  static F& in(void* storage) noexcept {
    if constexpr (fits_inline<F>) {
      return *std::launder(static_cast<F*>(storage));
    } else {
      return **std::launder(static_cast<F**>(storage));
    }
  }
  static void call(void* storage, firing& current) { invoke_callback(in(storage), current); }
  static void destroy(void* storage) noexcept {
    if constexpr (fits_inline<F>) {
      in(storage).~F();
    } else {
      delete &in(storage);
    }
  }
  template <class Source>
  static void construct(void* storage, Source&& source) {
    if constexpr (fits_inline<F>) {
      ::new (storage) F(std::forward<Source>(source));
    } else {
      ::new (storage) F*(new F(std::forward<Source>(source)));
    }
  }
  // The same, but answers false when there is no memory. What the callable's own construction throws goes through.
  template <class Source>
  static bool construct_if_memory(void* storage, Source&& source) {
    if constexpr (fits_inline<F>) {
      ::new (storage) F(std::forward<Source>(source));
    } else {
      F* made = new (std::nothrow) F(std::forward<Source>(source));
      if (made == nullptr) return false;
      ::new (storage) F*(made);
    }
    return true;
  }
  static constexpr callback_ops ops{&call, &destroy};
};

// A move-only callable for hooks, which are set once and may allocate.
template <class Signature>
class hook;

template <class R, class... Args>
class hook<R(Args...)> {
 public:
  hook() noexcept = default;
  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, hook> && std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
  hook(F&& f)  // NOLINT(google-explicit-constructor): a lambda is meant to convert
      : self_(new std::decay_t<F>(std::forward<F>(f))),
        call_([](void* self, Args... args) -> R {
          return (*static_cast<std::decay_t<F>*>(self))(std::forward<Args>(args)...);
        }),
        destroy_([](void* self) noexcept { delete static_cast<std::decay_t<F>*>(self); }) {}
  hook(hook&& other) noexcept { swap(other); }
  hook& operator=(hook&& other) noexcept {
    hook(std::move(other)).swap(*this);
    return *this;
  }
  hook(const hook&) = delete;
  hook& operator=(const hook&) = delete;
  ~hook() {
    if (self_ != nullptr) destroy_(self_);
  }
  explicit operator bool() const noexcept { return self_ != nullptr; }
  R operator()(Args... args) const { return call_(self_, std::forward<Args>(args)...); }

 private:
  void swap(hook& other) noexcept {
    std::swap(self_, other.self_);
    std::swap(call_, other.call_);
    std::swap(destroy_, other.destroy_);
  }
  void* self_ = nullptr;
  R (*call_)(void*, Args...) = nullptr;
  void (*destroy_)(void*) noexcept = nullptr;
};

}  // namespace detail

DETENT_END_NAMESPACE
