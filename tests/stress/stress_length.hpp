// How long a storm test runs, and with which seed.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>

namespace stress {

/// DETENT_SHORT=1 halves it.
inline std::chrono::milliseconds length(std::chrono::milliseconds usual) {
  return std::getenv("DETENT_SHORT") != nullptr ? usual / 2 : usual;
}

/// DETENT_SEED repeats a run's decisions.
inline std::uint64_t seed() {
  if (const char* text = std::getenv("DETENT_SEED")) return std::strtoull(text, nullptr, 10);
  std::random_device device;
  return device();
}

}  // namespace stress
