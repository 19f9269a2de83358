// call_site: where a function was called, for default arguments.
//
// clang 16 refuses std::source_location::current() as a default argument when the call stands in a default member
// initializer, where timers like to stand: `detent::timer keepalive_{service_, [this] { ping(); }};`. The builtin
// behind it works there, and a std::source_location is the one pointer that it answers.
#pragma once

#include <detent/version.hpp>

#include <source_location>
#if defined(__clang__)
#include <bit>
#endif

DETENT_BEGIN_NAMESPACE
namespace detail {

#if defined(__clang__)
struct call_site {
  static constexpr std::source_location current(
      decltype(__builtin_source_location()) here = __builtin_source_location()) noexcept {
    return std::bit_cast<std::source_location>(here);
  }
};
#else
using call_site = std::source_location;
#endif

}  // namespace detail
DETENT_END_NAMESPACE
