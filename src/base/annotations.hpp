// annotations: clang's thread-safety attributes. A field's access rule is an attribute the compiler checks, not prose.
#pragma once

#if defined(__clang__)
#define DETENT_ATTRIBUTE(x) __attribute__((x))
#else
#define DETENT_ATTRIBUTE(x)
#endif

#define DETENT_CAPABILITY(name) DETENT_ATTRIBUTE(capability(name))
#define DETENT_SCOPED_CAPABILITY DETENT_ATTRIBUTE(scoped_lockable)
#define DETENT_GUARDED_BY(mutex) DETENT_ATTRIBUTE(guarded_by(mutex))
#define DETENT_REQUIRES(...) DETENT_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define DETENT_ACQUIRE(...) DETENT_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define DETENT_RELEASE(...) DETENT_ATTRIBUTE(release_capability(__VA_ARGS__))
#define DETENT_EXCLUDES(...) DETENT_ATTRIBUTE(locks_excluded(__VA_ARGS__))
// Tells the compiler what it cannot follow: two names of one lock.
#define DETENT_ASSERT_HELD(mutex) DETENT_ATTRIBUTE(assert_capability(mutex))
