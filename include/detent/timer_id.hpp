// timer_id: names a timer without owning it. Copy it, store it, print it; it never reaches another timer (G18).
#pragma once

#include <detent/version.hpp>

#include <compare>
#include <cstdint>

DETENT_BEGIN_NAMESPACE

struct timer_id {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;  // 0 is no timer at all; a record whose generation saturates is retired

  constexpr explicit operator bool() const noexcept { return generation != 0; }
  constexpr std::uint64_t value() const noexcept { return (static_cast<std::uint64_t>(generation) << 32) | index; }
  friend constexpr auto operator<=>(const timer_id&, const timer_id&) noexcept = default;
};

DETENT_END_NAMESPACE
