// memory: what an execution allocates. It is given back all at once, so an execution may be left in the middle; and
// within one execution no address is used twice, so that every access after a free is seen.
#pragma once

#include <cstddef>

namespace detent::explore::memory {

// From here on `new` takes from the execution's memory, for as long as an execution runs.
void reset() noexcept;

// Zeroed.
void* allocate(std::size_t bytes, std::size_t alignment) noexcept;
// Answers whether it is the execution's; then it is not used again.
bool free(void* block) noexcept;

// How far into the execution's memory `address` lies, or `nowhere`.
inline constexpr std::size_t nowhere = ~std::size_t{0};
std::size_t offset_of(const void* address) noexcept;
std::size_t whole_bytes() noexcept;

// Whether `address` lies in a block that was freed in this execution.
bool is_freed(const void* address) noexcept;

}  // namespace detent::explore::memory
