// stack: several stacks on one thread of the operating system, and the step from one to the other.
#pragma once

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#error "the explorer changes stacks by hand: write explore/stack.cpp for this processor"
#endif

namespace detent::explore {

// What is left of a stack that is not running: where its registers lie.
using suspended = void*;

// Leaves the running stack in `*from` and goes on with `to`.
extern "C" void detent_explore_switch(suspended* from, suspended to) noexcept;

// A stack that will call `body`, which never returns.
suspended prepare_stack(unsigned char* bottom, std::size_t bytes, void (*body)()) noexcept;

}  // namespace detent::explore
