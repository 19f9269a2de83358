#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace detent::inline v0::detail {

void fail(const char* sentence, const char* file, int line) noexcept {
  std::fprintf(stderr, "detent: %s (%s:%d). This is a defect of Detent, or memory was corrupted.\n", sentence, file,
               line);
  std::abort();
}

}  // namespace detent::inline v0::detail
