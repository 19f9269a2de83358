// scenario: what is explored, by name.
#pragma once

#include <cstddef>
#include <span>

namespace detent::explore {

struct scenario {
  const char* name;
  const char* what;
  void (*body)();
};

// The 36 unordered pairs of eight verbs, then the four subtle ones, then more.
inline constexpr std::size_t named_count = 40;
std::span<const scenario> all_scenarios() noexcept;

// Its parts after the first forty, a file each.
std::span<const scenario> beside_scenarios() noexcept;
std::span<const scenario> publishing_scenarios() noexcept;
std::span<const scenario> ending_scenarios() noexcept;
std::span<const scenario> handing_scenarios() noexcept;

}  // namespace detent::explore
