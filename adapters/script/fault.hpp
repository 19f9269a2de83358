// fault: deliberate faults of this layer, chosen at run time by DETENT_SCRIPT_FAULT in the build that tests its tests.
#pragma once

#include <detent/version.hpp>

#include <cstdlib>
#include <string_view>

DETENT_BEGIN_NAMESPACE

#if defined(DETENT_WITH_SCRIPT_FAULTS)
/// Whether the fault of this name is planted in this run.
inline bool planted(std::string_view fault) {
  const char* chosen = std::getenv("DETENT_SCRIPT_FAULT");
  return chosen != nullptr && fault == chosen;
}
#else
constexpr bool planted(std::string_view) { return false; }
#endif

DETENT_END_NAMESPACE
