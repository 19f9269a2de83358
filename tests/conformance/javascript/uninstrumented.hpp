// uninstrumented: the thread sanitizer does not see the locks of JavaScriptCore, and takes them for races. It is told
// to look at our code only; what our threads do to our memory is seen as everywhere.
#pragma once

#include <support/effort.hpp>

// Called by the thread sanitizer as the program begins; without it nobody does.
extern "C" const char* __tsan_default_options();  // NOLINT: the sanitizer's name for it
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }
