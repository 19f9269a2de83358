// uninstrumented: the thread sanitizer does not see the locks of JavaScriptCore, and takes them for races. It is told
// to look at our code only; what our threads do to our memory is seen as everywhere.
#pragma once

#include <support/effort.hpp>

#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_options();  // NOLINT: the sanitizer's name for it
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
extern "C" const char* __tsan_default_options();  // NOLINT: as above
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }
#endif
#endif
