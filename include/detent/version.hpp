// version: which Detent this is, and the two macros every other header needs.
#pragma once

#define DETENT_VERSION_MAJOR 0
#define DETENT_VERSION_MINOR 1
#define DETENT_VERSION_PATCH 0

// What a program may link against. Everything else in the library is hidden.
#if defined(DETENT_SHARED)
#define DETENT_EXPORT __attribute__((visibility("default")))
#else
#define DETENT_EXPORT
#endif

// The inline namespace is the ABI's name: two incompatible copies in one process do not mix.
#define DETENT_BEGIN_NAMESPACE \
  namespace detent {           \
  inline namespace v0 {
#define DETENT_END_NAMESPACE \
  }                          \
  }

#if defined(__cpp_exceptions)
#define DETENT_EXCEPTIONS 1
#else
#define DETENT_EXCEPTIONS 0
#endif
