// check: our own bugs and corrupted memory end the process at once, with one sentence.
#pragma once

namespace detent::inline v0::detail {

[[noreturn]] void fail(const char* sentence, const char* file, int line) noexcept;

}  // namespace detent::inline v0::detail

// Always on, in release too.
#define DETENT_CHECK(condition, sentence) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::detent::detail::fail(sentence, __FILE__, __LINE__))

// Expensive checks: proof and debug builds.
#if defined(DETENT_CHECKED) || !defined(NDEBUG)
#define DETENT_DEBUG_CHECK(condition, sentence) DETENT_CHECK(condition, sentence)
#else
#define DETENT_DEBUG_CHECK(condition, sentence) static_cast<void>(0)
#endif
