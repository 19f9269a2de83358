#include "sync/proof.hpp"

#if defined(DETENT_WITH_CHAOS) || defined(DETENT_WITH_BUSTED)

#include "platform/platform.hpp"

#include <cstdlib>

namespace detent::inline v0::detail {

#if defined(DETENT_WITH_CHAOS)

namespace {

std::atomic<std::uint64_t> hits[static_cast<std::size_t>(chaos_at::last)];
std::atomic<chaos_hook> hook_set{nullptr};

// One in `rarity` visits yields: often enough to stretch every window, seldom enough that most races stay fast.
std::uint32_t rarity() noexcept {
  static const std::uint32_t value = [] {
    const char* text = std::getenv("DETENT_CHAOS");
    return text == nullptr ? 16U : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
  }();
  return value;
}

}  // namespace

void chaos(chaos_at point) noexcept {
  hits[static_cast<std::size_t>(point)].fetch_add(1, std::memory_order_relaxed);  // No partner: a counter.
  // Relaxed, so that a hook orders nothing: what the library forgets to order must show.
  if (const chaos_hook hook = hook_set.load(std::memory_order_relaxed)) hook(point);
  thread_local std::uint32_t state = 0;
  if (state == 0) state = static_cast<std::uint32_t>(platform::this_thread() >> 8) | 1U;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  if (rarity() != 0 && state % rarity() == 0) platform::yield();
}

void set_chaos_hook(chaos_hook hook) noexcept { hook_set.store(hook, std::memory_order_relaxed); }

std::uint64_t chaos_hits(chaos_at point) noexcept {
  return hits[static_cast<std::size_t>(point)].load(std::memory_order_relaxed);  // No partner: a counter.
}

#endif

#if defined(DETENT_WITH_BUSTED)

bool busted(bug which) noexcept {
  static const unsigned long planted = [] {
    const char* text = std::getenv("DETENT_BUSTED");
    return text == nullptr ? 0UL : std::strtoul(text, nullptr, 10);
  }();
  return planted == static_cast<unsigned long>(which);
}

#endif

}  // namespace detent::inline v0::detail

#endif
