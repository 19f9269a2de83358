// Stacks, for reports: addresses are cheap to keep, names are looked up when they are told.
#include "platform/platform.hpp"

#include <cstdio>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>

namespace detent::inline v0::detail::platform {

std::size_t read_stack(void** frames, std::size_t limit) noexcept {
  const int count = ::backtrace(frames, static_cast<int>(limit));
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

bool are_on_own_stack(const void* one, const void* other) noexcept {
  pthread_attr_t attributes;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return false;
  void* lowest = nullptr;
  std::size_t size = 0;
  const bool known = ::pthread_attr_getstack(&attributes, &lowest, &size) == 0;
  ::pthread_attr_destroy(&attributes);
  const auto holds = [&](const void* at) {
    const auto from = reinterpret_cast<std::uintptr_t>(lowest);
    const auto where = reinterpret_cast<std::uintptr_t>(at);
    return where >= from && where - from < size;
  };
  return known && holds(one) && holds(other);
}

void name_frame(void* frame, char* text, std::size_t size) noexcept {
  Dl_info info{};
  if (::dladdr(frame, &info) == 0 || info.dli_fname == nullptr) {
    std::snprintf(text, size, "%p", frame);
    return;
  }
  const auto offset = static_cast<const char*>(frame) - static_cast<const char*>(info.dli_fbase);
  std::snprintf(text, size, "%s(%s+0x%tx)", info.dli_fname, info.dli_sname == nullptr ? "" : info.dli_sname, offset);
}

}  // namespace detent::inline v0::detail::platform
