// effort: how much a test does. A sanitizer costs a factor of ten, and DETENT_SHORT=1 asks for the short form;
// DETENT_LONG=1 asks for the long one.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace support {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool under_tsan = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool under_tsan = true;
#else
inline constexpr bool under_tsan = false;
#endif
#else
inline constexpr bool under_tsan = false;
#endif

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool under_asan = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool under_asan = true;
#else
inline constexpr bool under_asan = false;
#endif
#else
inline constexpr bool under_asan = false;
#endif

inline constexpr bool sanitized = under_tsan || under_asan;

// The sanitizers do not lock their allocator over a fork: a thread that the child starts may wait for it for ever.
inline constexpr bool child_may_have_threads = !sanitized;

inline bool is_asked_for(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr && *text != '\0' && std::strcmp(text, "0") != 0;
}

inline bool is_short() { return sanitized || is_asked_for("DETENT_SHORT"); }
inline bool is_long() { return is_asked_for("DETENT_LONG"); }

inline std::size_t times(std::size_t full, std::size_t in_short) { return is_short() ? in_short : full; }

}  // namespace support
